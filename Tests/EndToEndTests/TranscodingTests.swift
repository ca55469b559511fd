import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// What becomes of a video after its upload, through nginx and with workers that are processes of their own.
    @Suite struct Transcoding {
        @Test func everyKindOfVideoBecomesReadyAndPlayable() throws {
            let site = try TranscodingSite()
            let worker = try site.site.startWorker()
            for kind in FFmpegVideo.Kind.allCases {
                let video = try FFmpegVideo(kind, size: kind == .h264 ? "1280x720" : "640x360", seconds: 7)
                let id = try site.upload(video.upload)
                let ready = try #require(site.wait(for: id, state: "ready"), "\(kind)\n\(site.site.workerLog)")
                try expectInformation(ready, kind)
                try expectMP4(try site.file(ready, "mp4_url"), kind, of: video, site)
                try expectStream(ready, kind, site)
                try expectPictures(ready, kind, site)
            }
            #expect(worker.stop() == .exit(0))
            #expect(try check(site.site) == "")
        }

        private func expectInformation(_ video: [String: Any], _ kind: FFmpegVideo.Kind) throws {
            let height = kind == .h264 ? 720 : 360
            #expect(video["height"] as? Int == height && video["width"] as? Int == height * 16 / 9, "\(kind)")
            #expect(abs(try #require(video["duration"] as? Double) - 7) < 0.2, "\(kind): \(video)")
        }

        /// H.264 and AAC with the index in front, and the very packets of a source that has that already.
        private func expectMP4(
            _ path: String, _ kind: FFmpegVideo.Kind, of video: FFmpegVideo, _ site: TranscodingSite
        ) throws {
            let probe = try Probe(path)
            #expect(probe.codecs == ["h264", "aac"], "\(kind): \(probe.codecs)")
            #expect(abs(probe.duration - 7) < 0.2, "\(kind): \(probe.duration)")
            #expect(try Self.boxes(path).prefix(2) == ["ftyp", "moov"], "\(kind)")
            if kind == .h264 {
                let original = try #require(site.site.publishedFiles().first { $0.contains("original/") })
                let packets = try [site.site.dataDirectory.path + "/upload/" + original, path].map {
                    try ChildProcess.run(
                        "ffprobe",
                        [
                            "-v", "error", "-select_streams", "v", "-show_data_hash", "md5", "-show_packets",
                            "-show_entries", "packet=data_hash", "-of", "csv=p=0", $0,
                        ]
                    ).output
                }
                #expect(packets[0].count > 1000 && packets[0] == packets[1])
            }
        }

        /// Every rendition's segments are served, and are as long together as the video.
        private func expectStream(_ video: [String: Any], _ kind: FFmpegVideo.Kind, _ site: TranscodingSite) throws {
            let base = URL(string: try #require(video["hls_url"] as? String))
            let master = try site.get(try #require(base).absoluteString)
            #expect(master.headers["content-type"] == "application/vnd.apple.mpegurl")
            let renditions = master.text.split(separator: "\n").filter { !$0.hasPrefix("#") }
            let heights = renditions.compactMap { $0.split(separator: "/").first.flatMap { Int($0) } }
            #expect(heights == (kind == .h264 ? [720, 480] : [480]), "\(kind): \(master.text)")
            for rendition in renditions {
                let address = try #require(URL(string: String(rendition), relativeTo: base))
                let playlist = try site.get(address.absoluteString).text.split(separator: "\n").map(String.init)
                #expect(playlist.last == "#EXT-X-ENDLIST")
                let durations = playlist.filter { $0.hasPrefix("#EXTINF:") }.compactMap {
                    Double($0.dropFirst("#EXTINF:".count).prefix { $0 != "," })
                }
                let segments = playlist.filter { !$0.hasPrefix("#") }
                let header = playlist.first { $0.hasPrefix("#EXT-X-MAP:") }?.split(separator: "\"")
                #expect(segments.count == durations.count && segments.count > 1, "\(kind)")
                #expect(abs(durations.reduce(0, +) - 7) < 0.2, "\(kind): \(durations)")
                for name in [String(try #require(header?[1]))] + segments {
                    let segment = try site.get(URL(string: name, relativeTo: address)!.absoluteString)
                    #expect(segment.body.count > 100, "\(name)")
                    #expect(
                        segment.headers["content-type"] == (name.hasSuffix("m4s") ? "video/iso.segment" : "video/mp4"))
                }
            }
            let probe = try Probe(try site.file(video, "hls_url"))
            #expect(Set(probe.codecs) == ["h264", "aac"] && abs(probe.duration - 7) < 0.2, "\(kind): \(probe)")
        }

        private func expectPictures(_ video: [String: Any], _ kind: FFmpegVideo.Kind, _ site: TranscodingSite) throws {
            let poster = try site.get(try #require(video["poster_url"] as? String))
            #expect(poster.headers["content-type"] == "image/jpeg" && poster.body.starts(with: [0xFF, 0xD8]))
            let address = try #require(video["thumbnails_url"] as? String)
            let cues = try site.get(address)
            #expect(cues.headers["content-type"]?.hasPrefix("text/vtt") == true && cues.text.hasPrefix("WEBVTT"))
            let pictures = cues.text.split(separator: "\n").filter { $0.contains("#xywh=") }
            #expect(pictures.count == 2, "\(cues.text)")
            let name = try #require(pictures.first?.split(separator: "#").first)
            let picture = try site.get(
                try #require(URL(string: String(name), relativeTo: URL(string: address)))
                    .absoluteString)
            #expect(picture.headers["content-type"] == "image/jpeg" && picture.body.starts(with: [0xFF, 0xD8]))
        }

        /// The types of a file's outermost boxes, in order.
        private static func boxes(_ path: String) throws -> [String] {
            let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
            var (names, offset) = ([String](), 0)
            while offset + 8 <= bytes.count {
                let length = bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
                names.append(String(decoding: bytes[offset + 4..<offset + 8], as: UTF8.self))
                guard length >= 8 else { break }
                offset += length
            }
            return names
        }

        @Test func aSecondUploadOfAReadyVideoIsReadyAtOnceAndQueuesNothing() throws {
            let site = try TranscodingSite()
            let worker = try site.site.startWorker()
            let page = try FFmpegVideo(.h264).upload
            let first = try #require(site.wait(for: try site.upload(page), state: "ready"))
            let known = try site.site.send(
                page.determineRequest([("file_name", "again"), ("guid", PageUpload.newGuid())]))
            #expect(known.code == 1)
            let id = try #require(known.videoID)
            #expect(id != first["video_id"] as? Int)
            let second = try #require(try site.information(id))
            #expect(second["state"] as? String == "ready")
            for name in ["mp4_url", "hls_url", "poster_url", "thumbnails_url", "duration", "width"] {
                #expect("\(second[name] ?? "")" == "\(first[name] ?? "?")", "\(name)")
            }
            #expect(try site.site.catalogueFile.count("job") == 1)
            #expect(worker.stop() == .exit(0))
        }

        @Test func whatIsTranscodedAgainHasOtherAddressesAndTheOldOnesStayForADay() throws {
            let site = try TranscodingSite()
            let worker = try site.site.startWorker()
            let id = try site.upload(FFmpegVideo(.h264).upload)
            let before = try #require(site.wait(for: id, state: "ready"), "\(site.site.workerLog)")
            #expect(worker.stop() == .exit(0))
            let old = try ["mp4_url", "hls_url", "poster_url", "thumbnails_url"].map {
                try #require(before[$0] as? String)
            }
            let played = try old.map { try site.get($0).body }

            let profile = site.site.dataDirectory.path + "/profile.json"
            try Data(#"{"outputs": ["mp4", "poster"]}"#.utf8).write(to: URL(fileURLWithPath: profile))
            #expect(try site.command("job", "retry", "1") == "job 1: queued\n")
            let other = try site.site.startWorker(["--profile", profile])
            _ = try site.command("job", "wait", "1")
            #expect(other.stop() == .exit(0))
            let isOther = eventually(within: 10) { (try? site.information(id))?["hls_url"] is NSNull }
            let after = try #require(try site.information(id))
            #expect(isOther && after["state"] as? String == "ready", "\(after)")
            let new = try ["mp4_url", "poster_url"].map { try #require(after[$0] as? String) }
            #expect(Set(old).isDisjoint(with: new))

            _ = try site.command("gc")
            #expect(try old.map { try site.get($0).body } == played)
            #expect(try check(site.site) == "")
            try site.site.catalogueFile.run("UPDATE garbage SET not_before = not_before - 86400")
            // The next sweep may take a while: nothing is wrong until then.
            #expect(try check(site.site) == "")
            _ = try site.command("gc")
            for address in old {
                let path = try #require(URL(string: address)).path
                #expect(try site.site.send(SentRequest(method: "GET", path)).status == 404, "\(address)")
            }
            for address in new { _ = try site.get(address) }
            let made = site.site.publishedFiles().filter { $0.contains("/transcoded/") }
            #expect(made.count == 2 && made.allSatisfy { $0.contains("/1.2/") }, "\(made)")
            #expect(try check(site.site) == "" && site.site.catalogueFile.count("garbage") == 0)
        }

        @Test(arguments: ["debug", "warning", "critical"])
        func aWorkerRunsUntilItIsToldToStop(logLevel: String) throws {
            let site = try TranscodingSite()
            let worker = try site.site.startWorker(["--log-level", logLevel])
            let id = try site.upload(FFmpegVideo(.h264, seconds: 1).upload)
            let isReady = eventually(within: 240) {
                (try? site.information(id))?["state"] as? String == "ready" || worker.poll() != nil
            }
            #expect(isReady && worker.poll() == nil)
            #expect(worker.stop() == .exit(0))
        }

        /// As downloaders and recorders name them.
        @Test func aVideoUnderTheNameOfAnotherKindBecomesReady() throws {
            let site = try TranscodingSite()
            let worker = try site.site.startWorker()
            let files: [(sample: ContainerSample, name: String, type: String)] = [
                (.transportStream, "stream.mp4", "video/mp4"), (.cutTransportStream, "cut.mp4", "video/mp4"),
                (.stypFirst, "segments.mp4", "video/mp4"), (.freeFirst, "free.mp4", "video/mp4"),
                (.matroska, "film.mp4", "video/mp4"), (.asf, "old.avi", "video/x-msvideo"),
                (.mp4, "phone.flv", "video/x-flv"),
            ]
            for (sample, name, type) in files {
                let content = try sample.bytes
                let id = try site.upload(PageUpload(fileName: name, content: content))
                let ready = try #require(site.wait(for: id, state: "ready"), "\(name)\n\(site.site.workerLog)")
                let original = try site.get(try #require(ready["video_url"] as? String))
                #expect(original.headers["content-type"] == type && original.body == content, "\(name)")
                let probe = try Probe(try site.file(ready, "mp4_url"))
                #expect(probe.codecs == ["h264", "aac"] && abs(probe.duration - 2) < 0.3, "\(name): \(probe)")
            }
            #expect(worker.stop() == .exit(0))
        }

        @Test func whatCannotBeDecodedFailsAndTheQueueGoesOn() throws {
            let site = try TranscodingSite()
            let bad = try site.upload(PageUpload(content: videoBytes(100_000)))
            let good = try site.upload(FFmpegVideo(.h264).upload)
            let worker = try site.site.startWorker()
            #expect(site.wait(for: good, state: "ready") != nil)
            let failed = try #require(site.wait(for: bad, state: "failed"))
            #expect(failed["mp4_url"] is NSNull)
            let shown = try site.command("job", "show", "1")
            #expect(shown.contains("unsupported") && shown.contains("ffprobe"), "\(shown)")
            #expect(try site.command("job", "retry", "1") == "job 1: queued\n")
            let waited = try ChildProcess.run(
                NginxSite.binary, ["job", "wait", "1", "2", "--data-directory", site.site.dataDirectory.path])
            #expect(waited.end == .exit(1) && waited.output == "1 of 2 jobs are done\n", "\(waited)")
            #expect(waited.errors.contains("job 1 has failed: unsupported"))
            #expect(try site.command("job", "list", "--state", "failed").contains("unsupported"))
            // In words, the same for the page and for people at a terminal.
            #expect(failed["failure"] as? String == "nothing-plays" && failed["flaws"] is NSNull)
            for text in [
                try site.command("job", "list"), try site.command("job", "show", "1"),
                try site.command("video", "show", "\(bad)"),
            ] {
                #expect(text.contains("Nothing in the file can be played: it is damaged, or no video."), "\(text)")
            }
            #expect(try site.command("job", "show", "1", "--probe").contains("not transcoded"))
            let facts = try site.command("job", "show", "2", "--probe")
            for fact in [
                "track 0, h264", "320x180", "track 1, aac", "25 a second", "length", "colours",
                "picture copied, sound copied",
            ] {
                #expect(facts.contains(fact), "\(fact)\n\(facts)")
            }
            #expect(try site.command("job", "show", "2", "--probe", "--json").contains("\"facts\":[{\"name\":"))
            #expect(try site.command("job", "wait").hasPrefix("0 of 0"))
            #expect(worker.stop() == .exit(0))
        }

        @Test func aVideoThatNamesOtherFilesAndAddressesOpensNothing() throws {
            let site = try TranscodingSite()
            let listener = try LocalSocket(backlog: 8)
            let worker = try site.site.startWorker()
            let secret = site.site.dataDirectory.path + "/secret.mp4"
            try Data(try FFmpegVideo(.h264).content).write(to: URL(fileURLWithPath: secret))
            let plain = try FFmpegVideo(.avi)
            // A playlist where ffmpeg looks for subtitles, in an avi that is one otherwise.
            for target in ["http://127.0.0.1:\(listener.port)/x.mp4", "file://" + secret, "/etc/passwd"] {
                let playlist = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\n\(target)\n#EXT-X-ENDLIST\n"
                let video = try HostileVideo.withSubtitles(playlist, in: Data(plain.content))
                let id = try site.upload(PageUpload(fileName: "evil.avi", content: Array(video)))
                let isOver = eventually(within: 240) {
                    ["ready", "failed"].contains((try? site.information(id))?["state"] as? String)
                }
                #expect(isOver)
                // The playlist as a whole file is not even taken.
                let text = PageUpload(fileName: "evil.mp4", content: Array(playlist.utf8))
                #expect(try site.site.send(text.request()).code == -3)
            }
            #expect(!listener.hasCaller)
            // Nothing of the secret is in what was made: it would have a second stream, or four seconds.
            for file in site.site.publishedFiles() where file.hasSuffix("video.mp4") {
                let probe = try Probe(site.site.dataDirectory.path + "/upload/" + file)
                #expect(probe.codecs == ["h264", "aac"] && abs(probe.duration - 2) < 0.2, "\(probe)")
            }
            let good = try site.upload(FFmpegVideo(.h264).upload)
            #expect(site.wait(for: good, state: "ready") != nil)
            #expect(worker.stop() == .exit(0))
            #expect(!site.site.workerLog.contains("root:"))
        }

        /// What `video-intake check` finds.
        private func check(_ site: NginxSite) throws -> String {
            let result = try ChildProcess.run(
                NginxSite.binary, ["check", "--data-directory", site.dataDirectory.path, "--deep"])
            return result.end == .exit(0) ? "" : "\(result.output)\(result.errors)"
        }
    }
}

/// What ffprobe says of a file.
struct Probe: CustomStringConvertible {
    let codecs: [String]
    let duration: Double

    init(_ path: String) throws {
        let result = try ChildProcess.run(
            "ffprobe",
            [
                "-v", "error", "-allowed_extensions", "ALL", "-show_entries", "stream=codec_name:format=duration",
                "-of",
                "json", path,
            ].filter { path.hasSuffix("m3u8") || !["-allowed_extensions", "ALL"].contains($0) })
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any], "\(result.errors)")
        codecs = (object["streams"] as? [[String: Any]] ?? []).compactMap { $0["codec_name"] as? String }
        let text = (object["format"] as? [String: Any])?["duration"] as? String
        duration = try #require(text.flatMap { Double($0) })
    }

    var description: String { "\(codecs), \(duration) s" }
}

/// A site of its own, whose videos are queued for transcoding.
struct TranscodingSite {
    let site: NginxSite

    /// - Parameter flags: more flags for the responder.
    init(_ flags: [String] = []) throws {
        site = try NginxSite(.handOff, flags: ["--transcode", "yes"] + flags)
    }

    /// Uploads in chunks. Returns the video's number.
    func upload(_ page: PageUpload) throws -> Int {
        let last = try #require(try page.send(to: site.port).completing)
        #expect(last.code == 1, "\(last)")
        return try #require(last.videoID)
    }

    /// What video_info says.
    func information(_ id: Int) throws -> [String: Any]? {
        try site.send(.form("/service/upload/video_info", [("video_id", "\(id)")])).data
    }

    /// Waits until a video has a state. Returns what is known of it then, `nil` if it has another one for minutes.
    func wait(for id: Int, state: String) -> [String: Any]? {
        var information: [String: Any]?
        let isThere = eventually(within: 240) {
            information = try? self.information(id)
            return information?["state"] as? String == state
        }
        return isThere ? information : nil
    }

    /// Gets what is at an address of this site.
    func get(_ address: String) throws -> ReceivedReply {
        let prefix = "http://127.0.0.1:\(site.port)"
        try #require(address.hasPrefix(prefix), "\(address)")
        let reply = try site.send(SentRequest(method: "GET", String(address.dropFirst(prefix.count))))
        #expect(reply.status == 200, "\(address)")
        return reply
    }

    /// Where the file lies that an address names.
    func file(_ video: [String: Any], _ name: String) throws -> String {
        let address = try #require(video[name] as? String)
        return site.dataDirectory.path + (try #require(URL(string: address)).path)
    }

    /// Runs a command that must succeed. Returns what it printed.
    func command(_ arguments: String...) throws -> String {
        let result = try ChildProcess.run(
            NginxSite.binary, arguments + ["--data-directory", site.dataDirectory.path])
        #expect(result.end == .exit(0), "\(result)")
        return result.output
    }
}

extension ReceivedReply {
    var text: String { String(decoding: body, as: UTF8.self) }
}
