import Foundation
import Testing
import TestSupport

@testable import Webhooks

/// Where events are not sent to.
@Suite struct RefusalTests {
    @Test(
        "an address of this machine is not connected to, by number or by name", arguments: ["127.0.0.1", "localhost"])
    func thisMachine(host: String) throws {
        let (outbox, receiver) = (try Outbox(), try Receiver())
        try outbox.record("a")
        let url = "http://\(host):\(receiver.port)/"
        #expect(outbox.deliverAll(Outbox.webhook(url, isPrivate: false)) == [.failed])
        let cause = try #require(outbox.cause)
        #expect(
            cause.wholeMatch(of: /address refused: (127\.0\.0\.1|::1) is private \(loopback\); set VIDEO_\S+ to allow/)
                != nil)
        #expect(receiver.connections == 0)
        // It is the permission that is missing, nothing else.
        outbox.advance(3600)
        #expect(outbox.deliverAll(Outbox.webhook(url)) == [.delivered])
        #expect(receiver.names == ["upload.completed 1"])
    }

    @Test(
        "other notations of an address do not help",
        arguments: ["2130706433", "0x7f.1", "017700000001", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"])
    func notations(host: String) throws {
        let (outbox, receiver) = (try Outbox(), try Receiver())
        try outbox.record("a")
        #expect(outbox.deliverAll(Outbox.webhook("http://\(host):\(receiver.port)/", isPrivate: false)) == [.failed])
        #expect(outbox.cause?.hasPrefix("address refused: ") == true, "\(outbox.cause ?? "")")
        #expect(receiver.connections == 0)
    }

    @Test("a proxy in the environment is not used")
    func proxy() throws {
        let (outbox, receiver) = (try Outbox(), try Receiver())
        try outbox.record("a")
        let webhook = Outbox.webhook(receiver.url)
        #expect(getenv("http_proxy") != nil && Outbox.proxy.connections == 0)
        #expect(outbox.deliverAll(webhook) == [.delivered])
        #expect(receiver.requests.count == 1 && Outbox.proxy.connections == 0)
    }

    /// Addresses that nothing is sent to, and what the log says.
    static let wrong: [(url: String, cause: String)] = [
        ("http://name.invalid/", "cannot resolve host"),
        ("ftp://127.0.0.1/", "Protocol \"ftp\" not supported"),
        ("file:///etc/passwd", "Protocol \"file\" not supported"),
        ("http://user:password@127.0.0.1/", "Login denied"),
    ]

    @Test("only http and https, to hosts that there are, without passwords", arguments: wrong)
    func wrongAddress(url: String, expected: String) throws {
        let outbox = try Outbox()
        try outbox.record("a")
        #expect(outbox.deliverAll(Outbox.webhook(url)) == [.failed])
        let cause = try #require(outbox.cause)
        #expect(cause.hasPrefix(expected), "\(cause)")
        #expect(!cause.contains("password@"))
    }

    @Test("a certificate that nobody vouches for is refused, and nothing is sent")
    func certificate() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let (key, certificate) = (directory.path + "/key", directory.path + "/certificate")
        let made = try ChildProcess.run(
            "openssl",
            [
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "1",
                "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            ])
        #expect(made.end == .exit(0), "\(made.errors)")
        let (output, errors) = (directory.path + "/output", directory.path + "/errors")
        let server = try ChildProcess(
            "openssl", ["s_server", "-www", "-accept", "127.0.0.1:0", "-key", key, "-cert", certificate],
            environment: ChildProcess.plainEnvironment, directory: directory.path, output: output, errors: errors)
        defer { server.stop() }
        var port: Substring?
        #expect(
            eventually {
                port = textOfFile(output).firstMatch(of: /ACCEPT 127\.0\.0\.1:(\d+)/)?.1
                return port != nil
            })
        let outbox = try Outbox()
        try outbox.record("a")
        #expect(outbox.deliverAll(Outbox.webhook("https://127.0.0.1:\(port ?? "0")/")) == [.failed])
        #expect(outbox.cause == "SSL certificate problem: self-signed certificate")
        #expect(!textOfFile(output).contains("POST"))
    }

    @Test("neither the secret nor what was sent is logged")
    func log() throws {
        let outbox = try Outbox()
        let receiver = try Receiver { _, index in .status(index == 0 ? 500 : 200) }
        try outbox.record("攻略")
        _ = outbox.deliverAll(Outbox.webhook(receiver.url))
        outbox.advance(3600)
        _ = outbox.deliverAll(Outbox.webhook(receiver.url))
        let log = outbox.log.withLock(\.self)
        #expect(log.count == 2)
        #expect(log.allSatisfy { !$0.contains(Outbox.secret) && !$0.contains("攻略") && !$0.contains("v1=") })
    }
}
