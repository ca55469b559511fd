import Foundation
import TestSupport
import Testing
import Model

@testable import Intake

private func page(_ size: Int = 399_999) -> PageUpload {
    var page = PageUpload(content: videoBytes(size))
    page.chunkSize = 100_000
    return page
}

private func reason(_ reply: ReceivedReply) -> String? { reply.headers["x-intake-reason"] }

/// WebUploader takes every reply with HTTP 200 for a stored chunk and shows the one that arrives last: after a refused chunk
/// none may be answered with code 2.
@Suite struct StickyRefusalTests {
    @Test(
        "a chunk in the middle that is refused with HTTP 200 refuses all that follow, until the first comes again",
        arguments: ["extension", "malformed", "missing-file"])
    func middle(expected: String) throws {
        let site = try InProcessSite()
        let good = page()
        #expect(try site.send(good.request(0)).code == 2)
        var bad = good
        switch expected {
        case "extension": bad.fileName = "blob"
        case "malformed": bad.overrides["class_id"] = "\u{0}"
        default: bad.fileName = ""
        }
        let refused = try site.send(bad.request(1))
        #expect(refused.status == 200 && reason(refused) == expected)
        for chunk in 2..<4 {
            let reply = try site.send(good.request(chunk))
            #expect(reply.code == refused.code && reason(reply) == expected, "\(reply)")
            #expect(reply.message?.contains("{}") == false)
        }
        // A page that asks for its own guid, or begins with the first chunk, begins anew.
        for chunk in 0..<4 { #expect(try site.send(good.request(chunk)).code == (chunk < 3 ? 2 : 1)) }
    }

    @Test(
        "the first chunk after one of another length is refused: its page counts that one as stored",
        arguments: [(150_000, 7), (350_000, 1)])
    func shortBeforeFirst(size: Int, missing: Int) throws {
        let site = try InProcessSite()
        let page = page(size)
        let short = Array(page.bytes(of: 1).dropLast(missing))
        #expect(try site.send(page.chunkRequest(1, bytes: short)).code == 2)
        let first = try site.send(page.request(0))
        #expect(first.status == 200 && reason(first) == "expired", "\(first)")
        for chunk in 1..<page.chunks { #expect(reason(try site.send(page.request(chunk))) == "expired") }
        // The editor tries again.
        for chunk in 0..<page.chunks {
            #expect(try site.send(page.request(chunk)).code == (chunk < page.chunks - 1 ? 2 : 1))
        }
    }

    @Test("a guid that makes way for newer ones of the same upload is refused, and does not end in code 2")
    func tooManyAliases() throws {
        let site = try InProcessSite()
        let first = page()
        #expect(try site.send(first.request(0)).code == 2)
        var last = first
        for number in 0...Upload.aliasLimit {
            last.guid = "other\(number)"
            #expect(try site.send(last.request(0)).code == 2)
        }
        #expect(reason(try site.send(first.request(1))) == "expired")
        for chunk in 1..<4 { #expect(try site.send(last.request(chunk)).code == (chunk < 3 ? 2 : 1)) }
        for chunk in 2..<4 { #expect(reason(try site.send(first.request(chunk))) == "expired") }
    }

    @Test("a question with a guid ends that guid's refusal only")
    func question() throws {
        let site = try InProcessSite { $0.uploadLimits = UploadLimits(total: 1, perClient: 1) }
        let (other, one) = (page(), page())
        #expect(try site.send(other.request(0)).code == 2)
        #expect(reason(try site.send(one.request(0))) == "quota")
        var second = one
        second.guid = "second"
        #expect(reason(try site.send(second.request(1))) == "quota")
        for chunk in 1..<4 { _ = try site.send(other.request(chunk)) }
        #expect(try site.send(second.chunksRequest([("guid", second.guid)])).code == 2)
        #expect(try site.send(second.request(1)).code == 2)
        #expect(reason(try site.send(one.request(2))) == "quota")
    }
}
