import CFastCGI
import CSystem
import Foundation
import Synchronization
import TestTools
import Testing

@testable import FastCGI

extension FastCGITests {
    @Suite struct Requests {
        @Test(arguments: [0, 1, 7, 32_767, 32_768, 65_535, 65_536, 3 << 20], [1, 255, 65_535, 32_768])
        func parametersAndBodyArrive(size: Int, record: Int) throws {
            if record < 1_000 && size > 70_000 { return }
            let fixture = try Fixture()
            let bytes = pattern(size)
            let value = String(repeating: "ü", count: 100)
            let reply = try fixture.request(
                FCGI.begin(padding: 3) + FCGI.parameters(["A": "", "Q": value], padding: 7)
                    + FCGI.body(bytes, size: record, padding: record % 8))
            #expect(reply.text == "Q=\(value) \(size) \(sum(bytes))")
            #expect(reply.head == "Status: 200 OK\r\nContent-Type: text/plain")
            #expect(reply.ended && !reply.isBroken)
        }

        @Test func manyAtATime() throws {
            let fixture = try Fixture(threads: 4)
            let good = Atomic<Int>(0)
            let clients = (0..<16).map { client in
                Spawned {
                    for round in 0..<40 {
                        let bytes = [UInt8](repeating: UInt8(round), count: client * 1_000)
                        let reply = try? fixture.request(
                            FCGI.begin() + FCGI.parameters(["Q": "\(client).\(round)"]) + FCGI.body(bytes))
                        if reply?.text == "Q=\(client).\(round) \(bytes.count) \(sum(bytes))" {
                            good.add(1, ordering: .relaxed)
                        }
                    }
                }
            }
            clients.forEach { $0.join() }
            #expect(good.load(ordering: .relaxed) == 640)
        }

        @Test func aBigReplyArrives() throws {
            let bytes = pattern(3_000_001)
            let isWritten = Box<Bool>()
            let fixture = try Fixture { isWritten.store($0.reply(status: 200, headers: [], body: bytes)) }
            let reply = try fixture.request(FCGI.begin() + FCGI.parameters([:]) + FCGI.body([]))
            #expect(sum(reply.body) == sum(bytes))
            #expect(isWritten.take() == true)
        }

        @Test func anEarlyReplyArrivesAlthoughTheBodyWasNotRead() throws {
            let fixture = try Fixture(threads: 1) {
                $0.reply(status: 413, headers: [("X", "1\r\nY: 2")], body: Array("no".utf8))
            }
            let bytes = FCGI.begin() + FCGI.parameters([:]) + FCGI.body(pattern(4 << 20))
            let client = try FastCGIClient(fixture.path)
            // Without a thread of its own: like a peer that reads the reply when it has sent everything.
            let isSent = client.send(bytes)
            #expect(isSent)
            let reply = client.reply()
            #expect(reply.head == "Status: 413 Content Too Large\r\nX: 1  Y: 2")
            #expect(reply.text == "no")
            #expect(reply.ended)
        }

        @Test func anUnreadBodyIsNotReadForEver() throws {
            let limits = ConnectionLimits(timeout: 10, drainBytes: 1 << 20, drainSeconds: 0.3)
            let fixture = try Fixture(threads: 1, limits: limits) { $0.reply(status: 400, headers: [], body: []) }
            let bytes = FCGI.begin() + FCGI.parameters([:]) + FCGI.body(pattern(16 << 20))
            let endless = try FastCGIClient(fixture.path)
            let isSent = endless.send(bytes)
            #expect(!isSent)
            let silent = try FastCGIClient(fixture.path)
            silent.send(FCGI.begin() + FCGI.parameters([:]))
            let (time, reply) = seconds { silent.reply() }
            #expect(reply.ended && time < 5)
            _ = try fixture.request(FCGI.begin() + FCGI.parameters([:]) + FCGI.body([]))
        }

        @Test func contentLengthIsChecked() throws {
            let fixture = try Fixture {
                $0.reply(status: 200, headers: [], body: Array("\($0.contentLength.map(String.init) ?? "nil")".utf8))
            }
            let table = [
                ("0", "0"), ("12", "12"), ("0012", "12"), ("9223372036854775807", "9223372036854775807"),
                ("9223372036854775808", "nil"), ("", "nil"), ("+1", "nil"), ("-1", "nil"), (" 1", "nil"),
                ("1e3", "nil"),
                ("0x10", "nil"), ("١", "nil"),
            ]
            for (value, expected) in table {
                let reply = try fixture.request(
                    FCGI.begin() + FCGI.parameters(["CONTENT_LENGTH": value]) + FCGI.body([]))
                #expect(reply.text == expected, "\(value)")
            }
            #expect(try fixture.request(FCGI.begin() + FCGI.parameters([:]) + FCGI.body([])).text == "nil")
        }

        @Test func invalidUTF8IsRepaired() throws {
            let fixture = try Fixture()
            let reply = try fixture.request(
                FCGI.begin() + FCGI.record(FCGI_PARAMS, [1, 3, 0x51, 0x61, 0xff, 0x62]) + FCGI.record(FCGI_PARAMS)
                    + FCGI.body([]))
            #expect(reply.text == "Q=a\u{fffd}b 0 0")
        }

        @Test func aParametersBytesAreThoseThatWereSent() throws {
            let received = Box<[[UInt8]?]>()
            let fixture = try Fixture { request in
                received.store(["Q", "R", "S", "T"].map(request.parameterBytes))
                echo(request)
            }
            let pairs: [UInt8] = [1, 3, 0x51, 0x61, 0xff, 0x62, 1, 3, 0x52, 0x61, 0, 0x62, 1, 0, 0x53]
            let reply = try fixture.request(
                FCGI.begin() + FCGI.record(FCGI_PARAMS, pairs + [1, 1, 0x52, 0x63]) + FCGI.record(FCGI_PARAMS)
                    + FCGI.body([]))
            #expect(reply.text == "Q=a\u{fffd}b 0 0")
            #expect(received.take() == [[0x61, 0xff, 0x62], [0x61, 0, 0x62], [], nil])
        }

        @Test func aHeldRequestIsAnsweredLater() throws {
            let held = Box<FastCGIRequest>()
            let fixture = try Fixture(threads: 1) { request in
                if request.parameter("Q") == "hold" { held.store(request) } else { echo(request) }
            }
            let client = try FastCGIClient(fixture.path)
            client.send(FCGI.begin() + FCGI.parameters(["Q": "hold"]) + FCGI.body([1, 2]))
            let request = try #require(held.take())
            #expect(try fixture.isServing())
            Spawned { echo(request) }.join()
            #expect(client.reply().text == "Q=hold 2 \(sum([1, 2]))")
            #expect(request.parameter("Q") == "hold")
        }

        @Test func aSecondReplyAndAReadAfterTheReplyAreRefused() throws {
            let results = Box<[Bool]>()
            let fixture = try Fixture { request in
                let first = request.reply(status: 200, headers: [], body: [1])
                let second = request.reply(status: 500, headers: [], body: [2])
                var byte: UInt8 = 0
                let third = withUnsafeMutableBytes(of: &byte) { target in
                    do throws(ConnectionFault) { return try request.read(into: target) < 0 } catch {
                        return error == .answered
                    }
                }
                results.store([first, second, third])
            }
            #expect(try fixture.request(FCGI.begin() + FCGI.parameters([:]) + FCGI.body([])).body == [1])
            #expect(results.take() == [true, false, true])
        }

        @Test func anUnansweredRequestGets500() throws {
            let fixture = try Fixture { _ in }
            let reply = try fixture.request(FCGI.begin() + FCGI.parameters([:]) + FCGI.body([1]))
            #expect(reply.head.hasPrefix("Status: 500 Internal Server Error\r\n"))
            #expect(reply.body == [])
        }

        @Test func aReplyToAPeerThatHasGoneReturnsFalse() throws {
            let held = Box<FastCGIRequest>()
            let fixture = try Fixture { held.store($0) }
            var client: FastCGIClient? = try FastCGIClient(fixture.path)
            client?.send(FCGI.begin() + FCGI.parameters([:]) + FCGI.body([]))
            let request = try #require(held.take())
            client = nil
            #expect(!request.reply(status: 200, headers: [], body: [UInt8](repeating: 0, count: 1 << 20)))
        }

        @Test func signalsKeepTheirActions() throws {
            _ = try Fixture()
            for signal in [SIGTERM, SIGUSR1] {
                var action = sigaction()
                sigaction(signal, nil, &action)
                #expect(vi_is_default_action(&action) == 1)
            }
            #expect(kill(getpid(), SIGPIPE) == 0)
        }
    }
}
