import Foundation
import Testing
import TestSupport

@testable import Intake

@Suite struct ReplyTests {
    @Test(
        "every reason has a name of its own, both texts, and a status that fits its code",
        arguments: FailureReason.allCases)
    func row(reason: FailureReason) {
        let row = reason.row
        #expect(reason.rawValue.wholeMatch(of: /[a-z0-9]+(-[a-z0-9]+)*/) != nil)
        #expect(row.code < 0 && !row.text.zh.isEmpty && !row.text.en.isEmpty)
        #expect(row.text.zh.contains("{}") == row.text.en.contains("{}"))
        // WebUploader sends a chunk again after 409 alone, and takes 200 for stored.
        #expect((row.status == 409) == (row.code == -2))
        if row.status == 409 { #expect(row.mayHelpAgain) }
        #expect(!row.text.en.unicodeScalars.contains { !$0.isASCII })
    }

    @Test("the names of the reasons are those that are documented")
    func names() {
        #expect(
            FailureReason.allCases.map(\.rawValue).sorted() == [
                "body-limit", "container", "disk-full", "expired", "extension", "forbidden", "form-limit", "internal",
                "length", "login", "malformed", "md5", "method", "missing-file", "missing-parameter", "no-such-video",
                "origin", "quota", "record", "retry", "unavailable", "unknown-action",
            ])
    }

    @Test("the documents list every reason as it is")
    func documented() throws {
        let documents = try Documents.text()
        let lines = FailureReason.allCases.map { reason in
            let row = reason.row
            let again = row.mayHelpAgain ? "yes" : "no"
            let text = row.text.en.replacing("{}", with: "…")
            return "| `\(reason.rawValue)` | \(row.code) | \(row.status) | \(again) | \(text) |"
        }
        #expect(documents.contains(lines.joined(separator: "\n")))
    }

    /// Requests, and what they are answered with in English.
    private static let replies: [(request: @Sendable () -> SentRequest, message: String)] = [
        ({ SentRequest("/service/upload/nothing") }, "There is no such action"),
        ({ SentRequest(method: "GET", "/service/upload/list_class") }, "Use POST"),
        ({ PageUpload(guid: "", content: videoBytes(9)).request() }, "guid, file_name or md5 must not be empty"),
        ({ SentRequest("/service/upload/determine_video_exist") }, "md5 must not be empty"),
        (
            { .form("/service/upload/video_info", [("video_id", "x")]) },
            "Wrong parameter video_id: it must be a whole number above 0"
        ),
        (
            { PageUpload(guid: "a b", content: videoBytes(2000)).request() },
            "Wrong parameter guid: it must be 1 to 64 letters, digits, _ or -"
        ),
        (
            { PageUpload(fileName: "a.exe", content: videoBytes(2000)).request() },
            "Upload failed: only mp4, flv videos are taken"
        ),
        (
            { PageUpload(content: [UInt8](repeating: 7, count: 2000)).request() },
            "Upload failed: the content is of an unknown kind; it must be an MP4/MOV, AVI, FLV, MKV/WebM, TS, MPEG or "
                + "WMV video"
        ),
        ({ SentRequest("/service/upload/list_class") }, "ok"),
        ({ PageUpload(content: videoBytes(2000)).determineRequest() }, "There is no such video"),
        ({ PageUpload(content: videoBytes(2000)).chunksRequest() }, "No such upload is under way"),
        ({ PageUpload(content: videoBytes(2000)).request() }, "The video is stored"),
        (
            {
                var page = PageUpload(content: videoBytes(3000))
                page.chunkSize = 2000
                return page.request(0)
            }, "The chunk is stored"
        ),
        (
            {
                var page = PageUpload(content: videoBytes(2000))
                page.extraFields = [("note", String(repeating: "x", count: 65_537))]
                return page.request()
            }, "The form is too large: field note over 65536 bytes"
        ),
    ]

    @Test("with LANGUAGE=en every reply is in English", arguments: replies.indices)
    func english(index: Int) throws {
        let (request, message) = Self.replies[index]
        let site = try InProcessSite {
            $0.language = .en
            $0.extensions = ["mp4", "flv"]
        }
        let reply = try site.send(request())
        #expect(reply.message == message)
        #expect(reply.body.allSatisfy { $0 < 0x80 })
    }

    @Test("a request that nobody answers is answered with 500, in the form of every other reply")
    func unanswered() throws {
        let site = try InProcessSite()
        let exchange = try site.exchange(SentRequest("/service/upload/list_class"))
        _ = Call(exchange, .listClass, site.service)
        let reply = try #require(exchange.reply)
        #expect(reply.status == 500 && reply.code == -1)
        #expect(reply.headers["x-intake-code"] == "-1" && reply.headers["x-intake-reason"] == "internal")
        #expect(site.log.lines.last?.level == .error)
    }

    @Test("while there is no catalogue all are asked to come again")
    func turnAway() throws {
        let site = try InProcessSite()
        func send(_ request: SentRequest) throws -> ReceivedReply {
            let exchange = try site.exchange(request)
            IntakeService.turnAway(exchange, .en)
            return try exchange.wait()
        }
        for request in [PageUpload(content: videoBytes(2000)).request(), SentRequest(method: "GET", "/healthz")] {
            let reply = try send(request)
            #expect(reply.status == 409 && reply.code == -2)
            #expect(reply.headers["x-intake-reason"] == "unavailable")
        }
        let reply = try send(SentRequest(method: "GET", "/healthz?ready"))
        #expect(reply.status == 503 && reply.data?["reason"] as? String == "unavailable")
    }
}
