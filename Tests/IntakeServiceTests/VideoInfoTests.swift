import Foundation
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
}
