import Model
import Foundation
import Testing
import TestSupport

@testable import Webhooks

/// What a receiver gets, and what its answers mean.
@Suite struct RequestTests {
    @Test("a request says what it is, and nothing but what is documented")
    func request() throws {
        let (outbox, receiver) = (try Outbox(), try Receiver())
        try outbox.record("\"攻略\\ \n🎬")
        #expect(outbox.deliverAll(Outbox.webhook(receiver.url)) == [.delivered])
        let request = try #require(receiver.requests.first)
        let lines = request.head.split(separator: "\r\n").map(String.init)
        #expect(lines[0] == "POST /hook?a=b HTTP/1.1")
        let names = lines.dropFirst().map { String($0.prefix { $0 != ":" }) }
        #expect(
            names.sorted() == [
                "Accept", "Content-Length", "Content-Type", "Host", "User-Agent", "X-Video-Intake-Event",
                "X-Video-Intake-Id", "X-Video-Intake-Signature",
            ])
        #expect(request["Content-Type"] == "application/json" && request["User-Agent"] == "video-intake/0")
        #expect(request["X-Video-Intake-Event"] == "upload.completed" && request["X-Video-Intake-Id"] == "1")
        let epoch: String = try #require(request.member("epoch"))
        #expect(epoch.contains(/^[0-9a-f]{16}$/))
        #expect(
            request.body.hasPrefix(
                "{\"id\":1,\"epoch\":\"\(epoch)\",\"kind\":\"upload.completed\",\"time\":\(outbox.now),"))
        #expect(request.member("id") == 1 && request.member("video_name") == "\"攻略\\ \n🎬")
        #expect(try outbox.undelivered == 0)
    }

    @Test("a big event is sent without asking first")
    func bigBody() throws {
        let (outbox, receiver) = (try Outbox(), try Receiver())
        let name = String(repeating: "攻", count: 500_000)
        try outbox.record(name)
        #expect(outbox.deliverAll(Outbox.webhook(receiver.url)) == [.delivered])
        let request = try #require(receiver.requests.first)
        #expect(request["Expect"] == nil && request.member("video_name") == name)
    }

    @Test("others can verify the signature, of what was sent and of nothing else")
    func signature() throws {
        let (outbox, receiver) = (try Outbox(), try Receiver())
        try outbox.record("攻略")
        #expect(outbox.deliverAll(Outbox.webhook(receiver.url)) == [.delivered])
        let request = try #require(receiver.requests.first)
        let header = try #require(request["X-Video-Intake-Signature"])
        let parts = try #require(header.wholeMatch(of: /t=(\d+),v1=([0-9a-f]{64})/))
        #expect(Int64(parts.1) == outbox.now)
        let file = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: file) }
        func digest(_ message: String) throws -> String {
            try Data(message.utf8).write(to: file.appendingPathComponent("message"))
            let result = try ChildProcess.run(
                "openssl", ["dgst", "-sha256", "-r", "-hmac", Outbox.secret, file.path + "/message"])
            return String(result.output.prefix(64))
        }
        #expect(try digest("\(parts.1).\(request.body)") == parts.2)
        #expect(try digest("\(parts.1).\(request.body) ") != parts.2)
        #expect(try digest("1\(parts.1).\(request.body)") != parts.2)
    }

    @Test("a connection is used again, with a signature of its own for each event")
    func keepAlive() throws {
        let (outbox, receiver) = (try Outbox(), try Receiver())
        try outbox.record("a", isReady: true)
        #expect(outbox.deliverAll(Outbox.webhook(receiver.url)) == [.delivered, .delivered])
        #expect(receiver.names == ["upload.completed 1", "video.ready 1"])
        #expect(receiver.requests.map(\.connection) == [0, 0])
        #expect(receiver.requests.map { $0.member("id") } == [1, 2])
        #expect(Set(receiver.requests.map { $0["X-Video-Intake-Signature"] }).count == 2)
    }

    @Test("a receiver that closes idle connections gets the next event over a new one")
    func closedBetween() throws {
        let receiver = try Receiver { _, _ in .bytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }
        let outbox = try Outbox()
        try outbox.record("a", isReady: true)
        #expect(outbox.deliverAll(Outbox.webhook(receiver.url)) == [.delivered, .delivered])
        #expect(receiver.requests.map(\.connection) == [0, 1])
    }

    /// What a receiver answers, what becomes of the event, and what the log says.
    static let answers: [(answer: Receiver.Answer, step: EventDelivery.Step, cause: String?)] = [
        (.status(200), .delivered, nil), (.status(204), .delivered, nil), (.status(299), .delivered, nil),
        (.status(300), .failed, "redirect refused (300)"), (.status(304), .failed, "redirect refused (304)"),
        (.status(400), .refused, "status 400"), (.status(410), .refused, "status 410"),
        (.status(408), .failed, "status 408"), (.status(429), .failed, "status 429"),
        (.status(500), .failed, "status 500"), (.status(503), .failed, "status 503"),
        (.bytes("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n"), .delivered, nil),
        // The status has come; what is missing of the rest does not matter.
        (.bytes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut"), .delivered, nil),
        (.bytes("HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\ncut"), .failed, "status 500"),
        (.endless("HTTP/1.1 200 OK\r\n\r\n"), .delivered, nil),
        (.endless("HTTP/1.1 500 No\r\n\r\n"), .failed, "status 500"),
        // Headers without end.
        (.endless("HTTP/1.1 200 OK\r\n"), .delivered, nil),
        (.bytes(""), .failed, "Empty reply from server"),
        (.bytes("hello\r\n"), .failed, "Received HTTP/0.9 when not allowed"),
    ]

    @Test("2xx means delivered, everything else that it is to be tried again", arguments: answers)
    func answer(_ answer: Receiver.Answer, step: EventDelivery.Step, cause: String?) throws {
        let outbox = try Outbox()
        let receiver = try Receiver { _, _ in answer }
        try outbox.record("a")
        let start = ContinuousClock.now
        #expect(outbox.deliverAll(Outbox.webhook(receiver.url)) == [step])
        // An end, where there is none, is not waited for.
        #expect(ContinuousClock.now - start < .seconds(8))
        #expect(outbox.cause == cause)
        #expect(try outbox.undelivered == (step == .delivered ? 0 : 1))
        #expect(receiver.requests.count == 1)
    }

    @Test("a redirect is not followed", arguments: [301, 302, 303, 307, 308])
    func redirect(status: Int) throws {
        let (outbox, other) = (try Outbox(), try Receiver())
        let answer = "HTTP/1.1 \(status) X\r\nLocation: \(other.url)\r\nContent-Length: 0\r\n\r\n"
        let receiver = try Receiver { _, _ in .bytes(answer) }
        try outbox.record("a")
        #expect(outbox.deliverAll(Outbox.webhook(receiver.url)) == [.failed])
        #expect(outbox.cause == "redirect refused (\(status))")
        #expect(receiver.requests.count == 1 && other.connections == 0)
    }

    @Test("who has answered once and then not at all is not taken to have answered again")
    func answersOnce() throws {
        let outbox = try Outbox()
        let receiver = try Receiver { _, index in
            index == 0 ? .bytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") : .bytes("")
        }
        try outbox.record("a", isReady: true)
        #expect(outbox.deliverAll(Outbox.webhook(receiver.url)) == [.delivered, .failed])
        #expect(try outbox.undelivered == 1)
    }
}
