import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// Data directories that the last program of each schema has left, under this one. Tests/Upgrade/make has made them.
    @Suite struct Upgrade {
        @Test func thereIsADirectoryOfEverySchema() {
            #expect(Set(OldDirectory.schemas).isSuperset(of: 1...7))
        }

        @Test(arguments: OldDirectory.schemas)
        func nothingIsLostAndNothingIsLeft(schema: Int) throws {
            let receiver = try Receiver()
            let old = try OldDirectory(schema: schema, receiver)
            try expectVideos(old)
            try expectUploads(old)
            if schema >= 4 { try expectJobsAndEvents(old, receiver) }
            try expectOrder(old)
        }

        /// What was stored is there, under its number, name and address; new numbers come after the old ones.
        private func expectVideos(_ old: OldDirectory) throws {
            let (site, videos) = (old.site, old.videos)
            #expect(try Set(OldDirectory.videos(site.catalogueFile)).isSuperset(of: videos))
            #expect(Set(videos.map(\.name)).isSuperset(of: ["first", "small", "again", "renamed"]))
            for video in videos {
                let served = try site.send(SentRequest(method: "GET", "/\(video.path)"))
                #expect(served.status == 200 && md5Hex(served.body) == video.md5, "\(video)")
                let known = try site.send(
                    .form("/service/upload/determine_video_exist", [("md5", video.md5)], owner: video.sender))
                let same = videos.filter { $0.md5 == video.md5 && $0.owner == video.owner }
                #expect(known.code == 1 && same.contains { $0.id == known.videoID }, "\(video): \(known)")
            }
            let classes = try #require(try site.send(.form("/service/upload/list_class", [])).data)["classes"]
            let names = (classes as? [[String: Any]] ?? []).map { "\($0["class_name"] ?? "") \($0["game_name"] ?? "")" }
            #expect(names == ["Clips Go", "Films Go"])
            #expect(Set(videos.compactMap(\.category)) == [1, 2])

            // A chunk that comes late, of a page that was open meanwhile.
            let first = try #require(videos.first { $0.name == "first" && $0.owner == "" })
            let late = try site.send(old.upload("first").request(2))
            #expect(late.code == 1 && late.videoID == first.id && late.path == first.path, "\(late)")
            let new = try old.upload("new").send(to: site, connections: 1).completing
            #expect(try #require(new?.videoID) > old.lastNumber)
            #expect(try eventually { try site.catalogueFile.count("video_info WHERE probed = 0") == 0 })
        }

        /// Of unfinished uploads only what is missing travels.
        private func expectUploads(_ old: OldDirectory) throws {
            let site = old.site
            // Before there were names to complete it with, what was whole waited for one more chunk.
            let whole = old.upload("whole")
            if old.schema == 1 { #expect(try site.send(whole.request(4)).code == 1) }
            #expect(try eventually { try site.send(whole.determineRequest()).code == 1 })
            #expect(try site.send(whole.determineRequest()).data?["video_name"] as? String == "whole")

            #expect(Set(old.promised.keys).isSuperset(of: ["middle", "last", "begun-anna", "sizeless", "known"]))
            var resumed = [("middle", [0, 1, 3, 4], ""), ("last", [4], ""), ("begun", [0], "anna")]
            // Until then what is known already was only compared, and the last chunk of a file without a size lay anywhere.
            if old.schema >= 6 { resumed.append(("known", [0, 1], "")) }
            for (name, received, owner) in resumed {
                let upload = old.upload(name, owner: owner)
                #expect(try site.send(upload.chunksRequest()).receivedChunks == Set(received), "\(name)")
                let missing = (0..<5).filter { !received.contains($0) }
                let replies = try upload.send(to: site, order: missing, connections: 1).map(\.reply)
                try expectComplete(replies, upload, number: old.promised[upload.guid], old)
            }
            var sizeless = old.upload("sizeless")
            sizeless.overrides = ["size": nil]
            let replies = try sizeless.send(to: site, order: [2, 3, 4], connections: 1).map(\.reply)
            try expectComplete(replies, sizeless, number: old.promised["sizeless"], old)

            for name in ["sizeless-last"] + (old.schema >= 6 ? [] : ["known"]) {
                var upload = old.upload(name)
                if name != "known" { upload.overrides = ["size": nil] }
                if old.schema < 6 {
                    let reply = try site.send(upload.request(1))
                    #expect(reply.code == -3 && reply.headers["x-intake-reason"] == "expired", "\(name): \(reply)")
                }
                let replies = try upload.send(to: site, order: [0, 1, 2, 3, 4], connections: 1).map(\.reply)
                try expectComplete(replies, upload, number: nil, old)
            }
            #expect(try site.send(old.refused.request(1)).code == -3)
        }

        private func expectComplete(
            _ replies: [ReceivedReply], _ upload: PageUpload, number: Int?, _ old: OldDirectory
        ) throws {
            #expect(replies.map(\.code) == replies.dropLast().map { _ in 2 } + [1], "\(upload.title): \(replies)")
            let last = try #require(replies.last)
            if let number { #expect(last.videoID == number, "\(upload.title)") }
            #expect(try old.site.storedBytes(#require(last.path)) == upload.content, "\(upload.title)")
        }

        /// What was made of videos plays on at its addresses, and what was to be made is; nobody is told anything twice.
        private func expectJobsAndEvents(_ old: OldDirectory, _ receiver: Receiver) throws {
            let site = old.site
            let profile = site.dataDirectory.path + "/profile.json"
            try Data(#"{"outputs": ["poster"]}"#.utf8).write(to: URL(fileURLWithPath: profile))
            let worker = try site.startWorker(["--profile", profile, "--lease-time", "2"])
            #expect(
                eventually(within: 120) {
                    (try? site.catalogueFile.count("job WHERE state NOT IN ('done', 'failed')")) == 0
                        && (try? site.catalogueFile.count("event WHERE delivered_time IS NULL")) == 0
                }, "\(site.workerLog)")
            #expect(worker.stop() == .exit(0))

            func information(_ video: StoredVideo) throws -> [String: Any] {
                let asked = [("video_id", "\(video.id)")]
                return try #require(
                    try site.send(.form("/service/upload/video_info", asked, owner: video.sender)).data)
            }
            for video in old.videos {
                let found = try information(video)
                let isBroken = video.name == "broken"
                #expect(found["state"] as? String == (isBroken ? "failed" : "ready"), "\(video): \(found)")
                if isBroken { #expect(found["failure"] as? String == "nothing-plays") }
                let isNew = ["killed", "waiting"].contains(video.name)
                let outputs = isNew ? ["poster_url"] : ["mp4_url", "hls_url", "poster_url", "thumbnails_url"]
                for name in outputs where !isBroken {
                    let address = try #require(found[name] as? String)
                    let path = try #require(URL(string: address)).path
                    #expect(try site.send(SentRequest(method: "GET", path)).status == 200, "\(address)")
                }
            }
            #expect(Set(old.videos.map(\.name)).isSuperset(of: ["broken", "killed", "waiting"]))
            #expect(old.made.count >= 3 * 8)
            for (path, content) in old.made {
                let served = try site.send(SentRequest(method: "GET", "/\(path)"))
                #expect(served.status == 200 && Data(served.body) == content, "\(path)")
            }

            let ids = receiver.requests.compactMap { $0.member("id", as: Int.self) }
            #expect(!old.untold.isEmpty && Set(ids).isSuperset(of: old.untold) && Set(ids).isDisjoint(with: old.told))
            #expect(ids.count == Set(ids).count && ids.count == receiver.requests.count)
            for (_, requests) in Dictionary(grouping: receiver.requests, by: { $0.member("video_id", as: Int.self) }) {
                let ids = requests.compactMap { $0.member("id", as: Int.self) }
                #expect(ids == ids.sorted())
            }
            #expect(receiver.requests.allSatisfy { $0.member("epoch", as: String.self) != nil })
        }

        /// Every file is one that a record names.
        private func expectOrder(_ old: OldDirectory) throws {
            let site = old.site
            let swept = try site.run(["gc"])
            #expect(swept.end == .exit(0), "\(swept)")
            let check = try site.run(["check", "--deep"])
            #expect(check.end == .exit(0) && check.output.contains(" 0 findings"), "\(check)")
            var named = Set(try OldDirectory.videos(site.catalogueFile).map(\.path))
            var directories: [String] = []
            if old.schema >= 4 {
                directories = try site.catalogueFile.all("SELECT poster_path FROM media", as: String.self)
                    .map { ($0 as NSString).deletingLastPathComponent + "/" }
            }
            for path in site.publishedFiles().map({ "upload/\($0)" })
            where named.remove(path) == nil && !directories.contains(where: path.hasPrefix) {
                Issue.record("nobody names \(path)")
            }
            #expect(named == [])
            for name in ["incoming", "transcoding", "trash", "set-aside"] {
                let path = site.dataDirectory.path + "/" + name
                #expect(((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []) == [], "\(name)")
            }
            if old.schema < (try #require(OldDirectory.schemas.max())) {
                let backup = CatalogueFile("\(site.cataloguePath).schema-\(old.schema).backup")
                #expect(try OldDirectory.videos(backup) == old.videos)
            }
        }
    }
}

/// A record of a video, without what may change.
private struct StoredVideo: Decodable, Hashable {
    let id: Int
    let owner, name, path, md5: String
    let size, time: Int
    let category: Int?

    var sender: String? { owner.isEmpty ? nil : owner }
}

/// What an earlier program has left, and a site with it.
private struct OldDirectory {
    let schema: Int
    let site: NginxSite
    /// As it was before.
    let videos: [StoredVideo]
    /// The last number that a video had, or was to have.
    let lastNumber: Int
    /// The numbers that were promised to unfinished uploads, by their guids.
    let promised: [String: Int]
    /// What transcoding made of videos, by paths.
    let made: [String: Data]
    /// The numbers of the events that somebody took, and of those that nobody did.
    let told, untold: Set<Int>
    private let clip: [UInt8]

    private static let files = Repository.directory.appendingPathComponent("Tests/Upgrade")

    static let schemas: [Int] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: files.path)) ?? []
        return names.filter { $0.hasSuffix(".sql") }.compactMap { Int($0.dropFirst("schema-".count).dropLast(4)) }
            .sorted()
    }()

    /// Starts this program in a copy of what an earlier one has left.
    init(schema: Int, _ receiver: Receiver) throws {
        self.schema = schema
        let directory = try makeTemporaryDirectory()
        let (data, source) = (directory.path, Self.files.path + "/schema-\(schema)")
        let restored = try ChildProcess.run(
            "bash", ["-c", #"base64 -d "$0" | tar xz -C "$1""#, source + ".files", data])
        try #require(restored.end == .exit(0), "\(restored)")
        let text = try Data(contentsOf: Self.files.appendingPathComponent("clip.base64"))
        clip = Array(try #require(Data(base64Encoded: text, options: .ignoreUnknownCharacters)))

        let catalogue = CatalogueFile(data + "/video-intake.db")
        try catalogue.run(textOfFile(source + ".sql"))
        videos = try Self.videos(catalogue)
        lastNumber = try catalogue.all("SELECT last FROM id_sequence")[0]
        let open = "FROM upload JOIN upload_guid AS g USING (upload_id) WHERE state = 'open' ORDER BY upload_id"
        promised = Dictionary(
            uniqueKeysWithValues: zip(
                try catalogue.all("SELECT g.guid \(open)", as: String.self),
                try catalogue.all("SELECT video_id \(open)")))
        var made: [String: Data] = [:]
        if schema >= 4 {
            for path in try catalogue.all("SELECT mp4_path FROM media", as: String.self) {
                let parent = (path as NSString).deletingLastPathComponent
                for name in try FileManager.default.subpathsOfDirectory(atPath: "\(data)/\(parent)") {
                    // Not the directories.
                    let content = try? Data(contentsOf: URL(fileURLWithPath: "\(data)/\(parent)/\(name)"))
                    made["\(parent)/\(name)"] = content
                }
            }
            told = Set(try catalogue.all("SELECT event_id FROM event WHERE delivered_time IS NOT NULL"))
            untold = Set(try catalogue.all("SELECT event_id FROM event WHERE delivered_time IS NULL"))
        } else {
            (told, untold) = ([], [])
        }
        self.made = made
        site = try NginxSite(
            .handOff, directory: directory,
            environment: [
                "VIDEO_INTAKE_WEBHOOK_URL": receiver.url, "VIDEO_INTAKE_WEBHOOK_PRIVATE": "yes",
                "VIDEO_INTAKE_WEBHOOK_SECRET": "0123456789abcdef0123456789abcdef",
            ])
    }

    static func videos(_ catalogue: CatalogueFile) throws -> [StoredVideo] {
        try catalogue.all(
            """
            SELECT json_object('id', video_id, 'owner', owner, 'name', video_name, 'path', path, 'md5', md5, 'size', size,
                'category', class_id, 'time', create_time) FROM video_info
            """, as: String.self
        ).map { try JSONDecoder().decode(StoredVideo.self, from: Data($0.utf8)) }
    }

    /// An upload as the earlier program has got it, or would have.
    func upload(_ name: String, owner: String = "") -> PageUpload {
        // The clip, and a box that is different for each name.
        let rest = 4500 - clip.count
        let size = [UInt8(rest >> 24 & 255), UInt8(rest >> 16 & 255), UInt8(rest >> 8 & 255), UInt8(rest & 255)]
        let filling = String(repeating: (name == "known" ? "first" : name) + "\n", count: rest).utf8
        return upload(name, owner, clip + size + Array("free".utf8) + filling.prefix(rest - 8))
    }

    /// One that is no video, and was refused.
    var refused: PageUpload { upload("refused", "", Array(String(repeating: "text\n", count: 900).utf8)) }

    private func upload(_ name: String, _ owner: String, _ content: [UInt8]) -> PageUpload {
        let guid = owner.isEmpty ? name : "\(name)-\(owner)"
        var upload = PageUpload(guid: guid, fileName: "\(name).mp4", title: name, content: content)
        upload.chunkSize = 1000
        upload.owner = owner.isEmpty ? nil : owner
        return upload
    }
}
