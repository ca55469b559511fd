import Model
import Foundation
import Intake
import Testing
import TestSupport

/// list_class, video_info and the play page's address, with what the contract table's sites do not have.
@Suite struct VideoInfoTests {
    @Test("the categories come with their games, by number")
    func classes() throws {
        let site = try InProcessSite()
        _ = try site.catalogue.addClass(name: "攻略", game: "Chess")
        _ = try site.catalogue.addClass(name: "\"quoted\"", game: "")
        let reply = try site.send(SentRequest("/service/upload/list_class"))
        let classes = try #require(reply.data?["classes"] as? [[String: Any]])
        #expect(classes.map { $0["class_id"] as? Int } == [1, 2])
        #expect(classes.map { $0["class_name"] as? String } == ["攻略", "\"quoted\""])
        #expect(classes.map { $0["game_name"] as? String } == ["Chess", ""])
    }

    @Test("a video has the names of its category and game, and none once the category is gone")
    func classOfVideo() throws {
        let site = try InProcessSite()
        let number = try site.catalogue.addClass(name: "攻略", game: "Chess")
        var page = PageUpload(content: videoBytes(2000))
        page.overrides["class_id"] = "\(number)"
        let id = try #require(try site.send(page.request()).videoID)
        let ask = SentRequest.form("/service/upload/video_info", [("video_id", "\(id)")])
        let known = try site.send(ask)
        #expect(known.data?["class_id"] as? Int == Int(number))
        #expect(known.data?["class_name"] as? String == "攻略" && known.data?["game_name"] as? String == "Chess")
        _ = try site.catalogue.removeClass(number)
        let later = try site.send(ask)
        #expect(later.data?["class_id"] is NSNull)
        #expect(later.data?["class_name"] as? String == "" && later.data?["game_name"] as? String == "")
    }

    @Test("nginx is told to send the play page only for a video that the owner has")
    func playPage() throws {
        let site = try InProcessSite()
        var page = PageUpload(content: videoBytes(2000))
        page.owner = "alice"
        let id = try #require(try site.send(page.request()).videoID)
        func play(_ query: String, owner: String?) throws -> ReceivedReply {
            try site.send(SentRequest(method: "GET", "/play/\(query)", owner: owner))
        }
        let found = try play("?video_id=\(id)", owner: "alice")
        #expect(found.status == 200 && found.headers["x-accel-redirect"] == "/play/index.html")
        for query in ["?video_id=\(id + 1)", "?video_id=0", "?video_id=x", "?video_id=", ""] {
            let missing = try play(query, owner: "alice")
            #expect(missing.status == 404 && missing.headers["x-accel-redirect"] == nil, "\(query)")
        }
        #expect(try play("?video_id=\(id)", owner: "bob").status == 404)
        #expect(try play("?video_id=\(id)", owner: nil).status == 404)
    }

    @Test("owners whose names are canonically equivalent are two")
    func equivalentOwners() throws {
        let site = try InProcessSite()
        var kate = PageUpload(content: videoBytes(3 * 65_536))
        kate.chunkSize = 65_536
        kate.owner = "Kate"
        // KELVIN SIGN: equal for Swift, other bytes.
        var other = kate
        other.owner = "\u{212A}ate"
        #expect(try site.send(kate.request(0)).code == 2)
        #expect(try site.send(other.chunksRequest()).code == 2, "no upload of hers")
        #expect(try site.send(other.request(1)).code == 2)
        #expect(try site.send(kate.chunksRequest()).data?["received"] as? String == "0")
        for chunk in 1..<3 { _ = try site.send(kate.request(chunk)) }
        let id = try #require(try site.send(kate.request(0)).videoID)
        #expect(try site.send(kate.determineRequest()).code == 1)
        #expect(try site.send(other.determineRequest()).code == 2)
        func info(_ owner: String?) throws -> Int? {
            var ask = SentRequest.form("/service/upload/video_info", [("video_id", "\(id)")])
            ask.owner = owner
            return try site.send(ask).code
        }
        #expect(try info(kate.owner) == 1 && info(other.owner) == 2)
        let long = try site.send(
            SentRequest("/service/upload/list_class", owner: String(repeating: "a", count: 256)))
        #expect(long.code == -1 && long.headers["x-intake-reason"] == "malformed")
    }

    /// A site that queues, with one video whose information `ask` gets.
    private func queuingSite() throws -> (site: InProcessSite, video: Video, ask: () throws -> [String: Any]) {
        let site = try InProcessSite {
            $0.queuesTranscoding = true
            $0.videoDomain = "https://video.example.com"
        }
        let id = try #require(try site.send(PageUpload(content: videoBytes(2000)).request()).videoID)
        let video = try #require(try site.catalogue.video(id: Int64(id)))
        return (
            site, video,
            {
                let ask = SentRequest.form("/service/upload/video_info", [("video_id", "\(id)")])
                return try site.send(ask).data ?? [:]
            }
        )
    }

    private static let addresses = ["mp4_url", "hls_url", "poster_url", "thumbnails_url"]

    @Test("a video is queued, then running, and shows how far it is")
    func waiting() throws {
        let (site, _, ask) = try queuingSite()
        var info = try ask()
        #expect(info["state"] as? String == "queued" && info["progress"] as? Double == 0)
        let job = try #require(try site.catalogue.claimJob(worker: "w", lease: 100, now: site.clock.now))
        #expect(try site.catalogue.heartbeat(job, lease: 100, progress: 0.5, standsStill: false, now: site.clock.now))
        info = try ask()
        #expect(info["state"] as? String == "running" && info["progress"] as? Double == 0.5)
        for name in Self.addresses + ["width", "height"] { #expect(info[name] is NSNull, "\(name)") }
        // A failure that is not the last one is nothing to show.
        _ = try site.catalogue.failJob(job, error: "busy", isFinal: false, now: site.clock.now)
        info = try ask()
        #expect(info["state"] as? String == "queued" && info["progress"] as? Double == 0)
    }

    @Test("a video that has failed says so, and why, until it is tried again")
    func failed() throws {
        let (site, _, ask) = try queuingSite()
        let job = try #require(try site.catalogue.claimJob(worker: "w", lease: 100, now: site.clock.now))
        _ = try site.catalogue.failJob(job, error: "encrypted\nkey 7", isFinal: true, now: site.clock.now)
        var info = try ask()
        #expect(info["state"] as? String == "failed" && info["progress"] is NSNull && info["mp4_url"] is NSNull)
        #expect(info["failure"] as? String == "encrypted" && info["flaws"] is NSNull)
        #expect(try site.catalogue.retryJob(id: job.id, now: site.clock.now))
        info = try ask()
        #expect(info["state"] as? String == "queued" && info["failure"] is NSNull)
    }

    @Test("a video that is ready says what is wrong with it", arguments: [[], [.truncated], VideoFlaw.allCases])
    func flaws(_ flaws: [VideoFlaw]) throws {
        let (site, _, ask) = try queuingSite()
        let job = try #require(try site.catalogue.claimJob(worker: "w", lease: 100, now: site.clock.now))
        var media = MediaFacts()
        media.flaws = Set(flaws)
        #expect(try site.catalogue.finishJob(job, media: media, duration: 1, now: site.clock.now) != nil)
        let info = try ask()
        #expect(info["flaws"] as? [String] == flaws.map(\.rawValue) && info["failure"] is NSNull)
    }

    @Test("a video that is ready has its size and addresses, and a copy of it has them too")
    func ready() throws {
        let (site, video, ask) = try queuingSite()
        let job = try #require(try site.catalogue.claimJob(worker: "w", lease: 100, now: site.clock.now))
        let directory = StorageLayout.results(ofOriginal: video.path)
        var media = MediaFacts()
        media.width = 1280
        media.height = 720
        media.mp4Path = directory + "/video.mp4"
        media.hlsPath = directory + "/hls/master.m3u8"
        media.posterPath = directory + "/poster.jpg"
        #expect(try site.catalogue.finishJob(job, media: media, duration: 61.5, now: site.clock.now) != nil)
        let copy = try site.send(
            .form("/service/upload/determine_video_exist", [("md5", video.md5), ("file_name", "copy")]))
        let ask2 = SentRequest.form("/service/upload/video_info", [("video_id", "\(copy.videoID ?? 0)")])
        for info in [try ask(), try site.send(ask2).data ?? [:]] {
            #expect(info["state"] as? String == "ready" && info["progress"] is NSNull)
            #expect(info["width"] as? Int == 1280 && info["height"] as? Int == 720)
            #expect(info["duration"] as? Double == 61.5)
            #expect(info["mp4_url"] as? String == "https://video.example.com/\(directory)/video.mp4")
            #expect(info["hls_url"] as? String == "https://video.example.com/\(directory)/hls/master.m3u8")
            #expect(info["poster_url"] as? String == "https://video.example.com/\(directory)/poster.jpg")
            #expect(info["thumbnails_url"] is NSNull)
        }
    }
}
