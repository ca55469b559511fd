import Foundation
import Glibc
import Synchronization
import TestTools
import Testing

@testable import FastCGI

extension FastCGITests {
    @Suite struct Stopping {
        @Test func waitsForARunningRequest() throws {
            let started = Box<Bool>()
            let fixture = try Fixture(threads: 2) { request in
                started.store(true)
                usleep(300_000)
                echo(request)
            }
            let client = try FastCGIClient(fixture.path)
            client.send(FCGI.begin() + FCGI.parameters(["Q": "x"]) + FCGI.body([]))
            #expect(started.take() == true)
            #expect(fixture.server.stop(grace: 5))
            #expect(client.reply().text == "Q=x 0 0")
            #expect(throws: HTTPConnection.Fault.self) { try FastCGIClient(fixture.path) }
            #expect(fixture.server.stop(grace: 0))
        }

        @Test func waitsForAHeldRequestAtMostTheGrace() throws {
            let held = Box<FastCGIRequest>()
            let fixture = try Fixture(threads: 2) { held.store($0) }
            let client = try FastCGIClient(fixture.path)
            client.send(FCGI.begin() + FCGI.parameters(["Q": "x"]) + FCGI.body([]))
            let request = try #require(held.take())
            let (time, hasEnded) = seconds { fixture.server.stop(grace: 0.3) }
            #expect(!hasEnded && time >= 0.3 && time < 3)
            let later = Spawned {
                usleep(200_000)
                echo(request)
            }
            #expect(fixture.server.stop(grace: 5))
            later.join()
            #expect(client.reply().text == "Q=x 0 0")
        }

        @Test func isNotHeldUpByAConnectionWithoutAWholeRequest() throws {
            let fixture = try Fixture(threads: 2) { echo($0) }
            let (silent, half) = (try FastCGIClient(fixture.path), try FastCGIClient(fixture.path))
            half.send(FCGI.begin() + [1, 4, 0])
            usleep(100_000)
            #expect(fixture.server.stop(grace: 5))
            withExtendedLifetime((silent, half)) {}
        }

        @Test func servesWhoWaitsInTheBacklog() throws {
            let go = Box<Bool>()
            let started = Box<Bool>()
            let fixture = try Fixture(threads: 1) { request in
                if request.parameter("Q") == "first" {
                    started.store(true)
                    _ = go.take()
                }
                echo(request)
            }
            let first = try FastCGIClient(fixture.path)
            first.send(FCGI.begin() + FCGI.parameters(["Q": "first"]) + FCGI.body([]))
            #expect(started.take() == true)
            let waiting = try (0..<5).map { _ in try FastCGIClient(fixture.path) }
            for client in waiting { client.send(FCGI.begin() + FCGI.parameters(["Q": "w"]) + FCGI.body([])) }
            #expect(!fixture.server.stop(grace: 0.1))
            #expect(throws: HTTPConnection.Fault.self) { try FastCGIClient(fixture.path) }
            go.store(true)
            #expect(fixture.server.stop(grace: 5))
            #expect(first.reply().text == "Q=first 0 0")
            for client in waiting { #expect(client.reply().text == "Q=w 0 0") }
        }

        @Test func nothingIsLostOverARestartWithASharedSocket() throws {
            let directory = try makeTemporaryDirectory().path
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let path = directory + "/s"
            let parent = try ListeningSocket.bind(path: path)
            let number = parent.descriptor.number

            func server() throws -> FastCGIServer {
                let socket = try takeOver(number)
                let server = try FastCGIServer(socket: socket, threads: 2) { echo($0) }
                try server.start()
                return server
            }
            var current = try server()
            let bad = Box<Int>()
            let clients = Spawned {
                var count = 0
                for index in 0..<400 {
                    guard let client = try? FastCGIClient(path) else {
                        count += 1
                        continue
                    }
                    client.send(FCGI.begin() + FCGI.parameters(["Q": "\(index)"]) + FCGI.body([1]))
                    if client.reply().text != "Q=\(index) 1 1" { count += 1 }
                }
                bad.store(count)
            }
            for _ in 0..<8 {
                usleep(5_000)
                let next = try server()
                #expect(current.stop(grace: 5))
                current = next
            }
            clients.join()
            #expect(bad.take() == 0)
            #expect(current.stop(grace: 5))
            #expect(FileManager.default.fileExists(atPath: path))
            _ = consume parent
            #expect(!FileManager.default.fileExists(atPath: path))
        }

        @Test func threadsOfASharedSocketStopAlthoughItsFlagsWereChanged() throws {
            let directory = try makeTemporaryDirectory().path
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let parent = try ListeningSocket.bind(path: directory + "/s")
            let socket = try takeOver(parent.descriptor.number)
            let server = try FastCGIServer(socket: socket, threads: 4) { echo($0) }
            try server.start()
            // All the time, so that it also happens between a thread's look at the flags and its accept(2).
            let isOver = Atomic(false)
            let number = parent.descriptor.number
            let other = Spawned {
                while !isOver.load(ordering: .relaxed) { _ = fcntl(number, F_SETFL, 0) }
            }
            defer {
                isOver.store(true, ordering: .relaxed)
                other.join()
            }
            for _ in 0..<200 {
                let client = try FastCGIClient(directory + "/s")
                client.send(FCGI.begin() + FCGI.parameters(["Q": "x"]) + FCGI.body([]))
                #expect(client.reply().text == "Q=x 0 0")
            }
            #expect(server.stop(grace: 5))
        }

        @Test func aServerIsUsedOnce() throws {
            let before = openDescriptors()
            try {
                let fixture = try Fixture()
                #expect(throws: FastCGIServerError.used) { try fixture.server.start() }
                #expect(fixture.server.stop(grace: 5))
                #expect(throws: FastCGIServerError.used) { try fixture.server.start() }

                let socket = try ListeningSocket.bind(path: fixture.directory + "/other")
                let server = try FastCGIServer(socket: socket, threads: 1) { _ in }
                #expect(server.stop(grace: 0))
                #expect(!FileManager.default.fileExists(atPath: fixture.directory + "/other"))
            }()
            #expect(openDescriptors() == before)
        }

        @Test(arguments: [-1, 0, .nan, .infinity, 1e300] as [Double])
        func anyGraceWillDo(grace: Double) throws {
            let fixture = try Fixture()
            _ = fixture.server.stop(grace: grace)
            #expect(fixture.server.stop(grace: 5))
        }
    }
}
