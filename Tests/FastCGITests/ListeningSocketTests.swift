import CFastCGI
import CSystem
import Foundation
import Glibc
import TestTools
import Testing

@testable import FastCGI

extension FastCGITests {
    @Suite final class Listening {
        let directory: String
        var path: String { directory + "/s" }

        init() throws { directory = try makeTemporaryDirectory().path }
        deinit { try? FileManager.default.removeItem(atPath: directory) }

        private func error(_ path: String) -> ListeningSocketError? {
            do throws(ListeningSocketError) {
                _ = try ListeningSocket.bind(path: path)
                return nil
            } catch {
                return error
            }
        }

        private func makeStaleSocket() throws {
            let stale = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            try #require(vi_unix_bind(stale, path) == 0)
            close(stale)
        }

        @Test(arguments: [0, 0o022, 0o077, 0o777] as [mode_t])
        func theModeIs0660WhateverTheUmask(mask: mode_t) throws {
            let before = umask(mask)
            defer { umask(before) }
            let socket = try ListeningSocket.bind(path: path)
            var status = stat()
            #expect(lstat(path, &status) == 0)
            #expect(status.st_mode == S_IFSOCK | 0o660)
            _ = consume socket
            #expect(lstat(path, &status) != 0)
        }

        @Test func aStaleSocketIsReplaced() throws {
            try makeStaleSocket()
            #expect(FileManager.default.fileExists(atPath: path))
            let server = try FastCGIServer(socket: try ListeningSocket.bind(path: path), threads: 1) { echo($0) }
            try server.start()
            _ = try FastCGIClient(path)
            #expect(server.stop(grace: 5))
        }

        @Test func aSocketInUseIsRefused() throws {
            let first = try ListeningSocket.bind(path: path)
            #expect(error(path) == .inUse(path: path))
            #expect(FileManager.default.fileExists(atPath: path))
            _ = consume first
            #expect(error(path) == nil)
        }

        @Test func aFullBacklogIsInUse() throws {
            let first = try ListeningSocket.bind(path: path, backlog: 0)
            let clients = try (0..<1).map { _ in try FastCGIClient(path) }
            #expect(error(path) == .inUse(path: path))
            withExtendedLifetime(clients) {}
            _ = consume first
        }

        @Test func anythingElseIsRefusedAndKept() throws {
            try "text".write(toFile: path, atomically: false, encoding: .utf8)
            #expect(error(path) == .notASocket(path: path))
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "text")
            #expect(error(directory) == .notASocket(path: directory))
            try FileManager.default.createSymbolicLink(atPath: path + "2", withDestinationPath: "nowhere")
            #expect(error(path + "2") == .notASocket(path: path + "2"))
        }

        @Test func pathsHave1To107Bytes() throws {
            let longest = directory + "/" + String(repeating: "x", count: 106 - directory.utf8.count)
            #expect(longest.utf8.count == 107)
            #expect(error(longest) == nil)
            #expect(error(longest + "x") == .unusablePath(longest + "x"))
            #expect(error("") == .unusablePath(""))
            #expect(error("a\0b") == .unusablePath("a\0b"))
            let missing = directory + "/missing"
            #expect(error(missing + "/s") == .system(call: "open", path: missing, code: ENOENT))
        }

        @Test func onlyItsOwnFileGoesWithIt() throws {
            let first = try ListeningSocket.bind(path: path)
            #expect(unlink(path) == 0)
            let second = try ListeningSocket.bind(path: path)
            _ = consume first
            _ = try FastCGIClient(path)
            _ = consume second
            #expect(!FileManager.default.fileExists(atPath: path))
        }

        /// Without turns one of them deletes the socket that another has just made in place of the stale one.
        @Test(arguments: 0..<50)
        func oneOfManyAtATimeGetsIt(round: Int) throws {
            let path = path
            try makeStaleSocket()
            let start = DispatchSemaphore(value: 0)
            let done = DispatchSemaphore(value: 0)
            let results = (0..<4).map { _ in Box<Bool>() }
            let threads = results.map { result in
                Spawned {
                    start.wait()
                    guard let socket = try? ListeningSocket.bind(path: path) else { return result.store(false) }
                    result.store(true)
                    done.wait()
                    _ = consume socket
                }
            }
            usleep(1_000)
            for _ in results { start.signal() }
            let winners = results.map { $0.take() ?? false }.count { $0 }
            #expect(winners == 1)
            _ = try FastCGIClient(path)
            for _ in results { done.signal() }
            threads.forEach { $0.join() }
        }

        @Test func onlyAListeningUnixSocketIsTakenOver() throws {
            let before = openDescriptors()
            let socket = try ListeningSocket.bind(path: path)
            let file = open("/dev/null", O_RDONLY)
            let unbound = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            let tcp = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            #expect(listen(tcp, 1) == 0)
            for number in [file, unbound, tcp, 9_999, -1] {
                let isTaken = ListeningSocket(moving: number) != nil
                #expect(!isTaken)
            }
            [file, unbound, tcp].forEach { close($0) }
            do {
                let copy = try takeOver(socket.descriptor.number)
                #expect(fcntl(copy.descriptor.number, F_GETFD) == FD_CLOEXEC)
            }
            #expect(FileManager.default.fileExists(atPath: path))
            _ = consume socket
            #expect(openDescriptors() == before)
        }
    }
}
