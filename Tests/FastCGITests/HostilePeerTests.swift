import CFastCGI
import Foundation
import TestTools
import Testing

@testable import FastCGI

extension FastCGITests {
    @Suite struct HostilePeers {
        /// GET_VALUES with a name so often that libfcgi's own reply would overflow its buffer.
        static let manyValues = FCGI.record(
            FCGI_GET_VALUES, Array(repeating: [14, 0] + Array("FCGI_MAX_CONNS".utf8), count: 60).flatMap(\.self), id: 0)

        static let junk: [(String, [UInt8])] = [
            ("nothing", []),
            ("junk", (0..<5_000).map { UInt8(truncatingIfNeeded: $0 &* 131 &+ 17) }),
            ("zeros", [UInt8](repeating: 0, count: 100)),
            ("part of a header", Array(FCGI.begin().prefix(5))),
            ("part of a begin", Array(FCGI.begin().prefix(12))),
            ("another version", FCGI.record(FCGI_BEGIN_REQUEST, [0, 1, 0, 0, 0, 0, 0, 0], version: 2)),
            ("a short begin", FCGI.record(FCGI_BEGIN_REQUEST, [0, 1])),
            ("begin without parameters", FCGI.begin()),
            ("begin twice", FCGI.begin() + FCGI.begin()),
            ("input before the parameters' end", FCGI.begin() + FCGI.body([1])),
            ("a length without a value", FCGI.begin() + FCGI.record(FCGI_PARAMS, [1]) + FCGI.record(FCGI_PARAMS)),
            ("a cut length", FCGI.begin() + FCGI.record(FCGI_PARAMS, [0xff, 0xff]) + FCGI.record(FCGI_PARAMS)),
            (
                "a name of 2 GiB",
                FCGI.begin() + FCGI.record(FCGI_PARAMS, [0xff, 0xff, 0xff, 0xff, 1, 65]) + FCGI.record(FCGI_PARAMS)
            ),
            // Aborts libfcgi's own reader: malloc(-2).
            (
                "a name and a value of 2 GiB",
                FCGI.begin() + FCGI.record(FCGI_PARAMS, [0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xf0, 65])
                    + FCGI.record(FCGI_PARAMS)
            ),
            ("a name with =", FCGI.begin() + FCGI.parameters(["A=B": "c"])),
            ("a name with NUL", FCGI.begin() + FCGI.parameters(["A\0": "c"])),
            (
                "too many parameters",
                FCGI.begin() + FCGI.record(FCGI_PARAMS, [UInt8](repeating: 0, count: 60_000))
                    + FCGI.record(FCGI_PARAMS, [UInt8](repeating: 0, count: 60_000)) + FCGI.record(FCGI_PARAMS)
            ),
            ("aborted in the parameters", FCGI.begin() + FCGI.record(FCGI_ABORT_REQUEST)),
            ("values cut", FCGI.record(FCGI_GET_VALUES, [14, 0, 1], id: 0)),
            ("a body cut", FCGI.begin() + FCGI.parameters([:]) + FCGI.record(FCGI_STDIN, [1, 2, 3], length: 500)),
            ("another type in the body", FCGI.begin() + FCGI.parameters([:]) + FCGI.record(FCGI_DATA, [1])),
            (
                "another version in the body",
                FCGI.begin() + FCGI.parameters([:]) + FCGI.record(FCGI_STDIN, [1], version: 3)
            ),
            (
                "aborted in the body",
                FCGI.begin() + FCGI.parameters([:]) + FCGI.record(FCGI_STDIN, [1]) + FCGI.record(FCGI_ABORT_REQUEST)
            ),
        ]

        @Test func junkHarmsNobodyElse() throws {
            let before = openDescriptors()
            try {
                let fixture = try Fixture(threads: 2)
                for round in 0..<3 {
                    for (what, bytes) in Self.junk {
                        let client = try FastCGIClient(fixture.path)
                        client.send(bytes)
                        if round > 0 { client.endSending() }
                        if round > 1 { #expect(!client.reply().head.contains(" 0 0\n"), "\(what)") }
                    }
                    #expect(try fixture.isServing())
                }
                #expect(fixture.server.stop(grace: 5))
            }()
            #expect(openDescriptors() == before)
        }

        @Test func faultsAreTold() throws {
            let fixture = try Fixture()
            let head = FCGI.begin() + FCGI.parameters(["Q": "x"])
            #expect(try fixture.request(head + FCGI.record(FCGI_DATA, [1])).text == "Q=x 0 0 malformed")
            let part = FCGI.record(FCGI_STDIN, [1])
            #expect(try fixture.request(head + part + FCGI.record(FCGI_ABORT_REQUEST)).text == "Q=x 1 1 aborted")
            let client = try FastCGIClient(fixture.path)
            client.send(head + part)
            client.endSending()
            #expect(client.reply().text == "Q=x 1 1 closed")
        }

        @Test func recordsOfOtherRequestsArePassedOver() throws {
            let fixture = try Fixture()
            let other = FCGI.record(FCGI_PARAMS, [9, 9, 9], id: 7, padding: 5) + FCGI.record(FCGI_STDIN, [1], id: 300)
            let reply = try fixture.request(
                other + FCGI.begin() + other + FCGI.parameters(["Q": "x"]) + other + FCGI.record(FCGI_STDIN, [5])
                    + FCGI.begin(id: 9)
                    + other + FCGI.body([6]))
            #expect(reply.text == "Q=x 2 \(sum([5, 6]))")
            let ends = reply.others.filter { $0.type == UInt8(FCGI_END_REQUEST) }.map { $0.content[4] }
            #expect(ends == [UInt8(FCGI_CANT_MPX_CONN), UInt8(FCGI_REQUEST_COMPLETE)])
        }

        @Test func managementRecordsAreAnswered() throws {
            let fixture = try Fixture()
            let name = Array("FCGI_MPXS_CONNS".utf8)
            let values = FCGI.record(FCGI_GET_VALUES, [15, 0] + name, id: 0, padding: 6)
            let reply = try fixture.request(
                values + FCGI.record(99, [1, 2], id: 0) + FCGI.begin() + Self.manyValues + FCGI.parameters(["Q": "x"])
                    + FCGI.record(FCGI_STDIN, [5]) + Self.manyValues + FCGI.body([]))
            #expect(reply.text == "Q=x 1 5")
            #expect(reply.others.map(\.type) == [10, 11, 10, 10, 3])
            #expect(reply.others[0].content == [15, 1] + name + [0x30])
            #expect(reply.others[1].content[0] == 99)
            #expect(reply.others[2].content == [])
        }

        @Test(arguments: [2, 3, 0, 9] as [UInt8])
        func otherRolesAreRefused(role: UInt8) throws {
            let fixture = try Fixture()
            let reply = try fixture.request(FCGI.begin(role: role) + FCGI.parameters([:]) + FCGI.body([]))
            #expect(reply.stdout.isEmpty)
            #expect(reply.others.map { $0.content } == [[0, 0, 0, 0, UInt8(FCGI_UNKNOWN_ROLE), 0, 0, 0]])
            #expect(try fixture.isServing())
        }

        @Test func aConnectionIsClosedAlthoughThePeerWantsToKeepIt() throws {
            let fixture = try Fixture(threads: 1)
            let reply = try fixture.request(FCGI.begin(flags: 1) + FCGI.parameters(["Q": "k"]) + FCGI.body([]))
            #expect(reply.ended && reply.text == "Q=k 0 0")
        }

        @Test(arguments: [[], FCGI.begin(), FCGI.begin() + FCGI.parameters(["Q": "x"])] as [[UInt8]])
        func aSilentConnectionEndsAfterTheTimeout(sent: [UInt8]) throws {
            let fixture = try Fixture(threads: 1, limits: ConnectionLimits(timeout: 0.4))
            let silent = try FastCGIClient(fixture.path)
            silent.send(sent)
            usleep(50_000)
            let (time, isServing) = try seconds { try fixture.isServing() }
            #expect(isServing && time < 5)
            let reply = silent.reply()
            #expect(reply.text == "" || reply.text == "Q=x 0 0 timedOut")
        }

        @Test func othersAreServedWhileOneIsSilent() throws {
            let fixture = try Fixture(threads: 2, limits: ConnectionLimits(timeout: 3))
            let silent = try FastCGIClient(fixture.path)
            usleep(50_000)
            let (time, served) = try seconds { try (0..<20).filter { _ in try fixture.isServing() } }
            #expect(served.count == 20 && time < 2)
            #expect(silent.reply().stdout.isEmpty)
        }

        @Test func parametersThatTrickleInEndAfterTheTimeout() throws {
            let fixture = try Fixture(threads: 1, limits: ConnectionLimits(timeout: 0.5))
            let slow = try FastCGIClient(fixture.path)
            let bytes = FCGI.begin() + FCGI.parameters(["Q": String(repeating: "x", count: 100)])
            let sent = bytes.prefix { byte in
                usleep(50_000)
                return slow.send([byte])
            }
            #expect(sent.count < 40)
        }

        @Test func theServerOutlivesALackOfDescriptors() throws {
            let fixture = try Fixture(threads: 2)
            let client = try FastCGIClient(fixture.path)
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let held = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd"))?.compactMap { Int($0) }
            let waiting = try FastCGIClient(fixture.path)
            var low = limit
            low.rlim_cur = UInt((held?.max() ?? 50) - 2)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &low)
            client.send(FCGI.begin() + FCGI.parameters(["Q": "x"]) + FCGI.body([]))
            usleep(200_000)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            waiting.send(FCGI.begin() + FCGI.parameters(["Q": "y"]) + FCGI.body([]))
            #expect(waiting.reply().text == "Q=y 0 0")
            #expect(try fixture.isServing())
        }
    }
}
