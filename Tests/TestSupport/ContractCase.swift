import ChunkStore
import Foundation
import Intake

/// One row of the contract: requests that lead up to it, the request, and what its reply must be.
package struct ContractCase: Sendable, CustomStringConvertible {
    package let name: String
    private let run: @Sendable (any Site) throws -> [String]

    /// - Parameters:
    ///   - status, code: of the reply.
    ///   - reason: what `X-Intake-Reason` must be; of every reply with a negative code, and of no other.
    ///   - message: the reply's `msg`, or its beginning if it ends with `…`.
    ///   - leaves: how many unfinished uploads the case leaves behind.
    ///   - check: looks at the rest; returns what is wrong.
    package init(
        _ name: String, status: Int = 200, code: Int?, reason: FailureReason? = nil, message: String? = nil,
        leaves: Int = 0,
        request: @escaping @Sendable (any Site) throws -> SentRequest,
        check: @escaping @Sendable (ReceivedReply, any Site) throws -> [String] = { _, _ in [] }
    ) {
        self.name = name
        run = { site in
            let before = site.incomingFiles().count
            let reply = try site.send(try request(site))
            var wrong: [String] = []
            func expect(_ condition: Bool, _ text: String) { if !condition { wrong.append(text) } }
            expect(reply.status == status, "status is \(reply.status), not \(status)")
            // A reply to HEAD has no body where a web server is in front.
            expect(code == nil || reply.code == code, "code is \(reply.code.map(String.init) ?? "missing")")
            expect(
                reply.headers["x-intake-reason"] == reason?.rawValue,
                "X-Intake-Reason is \(reply.headers["x-intake-reason"] ?? "missing")")
            expect(
                reply.headers["x-intake-code"] == reason.map { "\($0.row.code)" },
                "X-Intake-Code is \(reply.headers["x-intake-code"] ?? "missing")")
            expect(
                reason == nil || code == nil || reason?.row.code == code, "the row says another code than its reason")
            if let message {
                let isRight =
                    message.hasSuffix("…")
                    ? reply.message?.hasPrefix(message.dropLast()) == true : reply.message == message
                expect(isRight, "msg is \(reply.message ?? "missing")")
            }
            if code != nil {
                expect(
                    reply.headers["content-type"] == "application/json; charset=utf-8",
                    "Content-Type is \(reply.headers["content-type"] ?? "missing")")
                expect(reply.headers["cache-control"] == "no-store", "Cache-Control is not no-store")
                expect(Set((reply.json ?? [:]).keys) == ["code", "msg", "data"], "the object has other members")
                if let code, code < 0 || code == 2 && reply.data == nil {
                    expect(reply.json?["data"] is NSNull, "data is not null")
                }
            }
            wrong += try check(reply, site)
            expect(site.incomingFiles().count == before + leaves, "unfinished uploads left: \(site.incomingFiles())")
            expect(site.bodyFiles().isEmpty, "body files left: \(site.bodyFiles())")
            return wrong.isEmpty ? [] : wrong + ["the reply was \(reply)"]
        }
    }

    /// What is wrong at this site; empty if the contract holds.
    package func problems(at site: any Site) throws -> [String] { try run(site) }

    package var description: String { name }
}
