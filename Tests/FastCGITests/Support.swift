import Foundation
import Synchronization
import TestTools
import Testing

@testable import FastCGI

/// All tests here run one after the other: several count the process's descriptors.
@Suite(.serialized) enum FastCGITests {}

/// A directory that goes with the value, and a server on a socket in it.
final class Fixture: Sendable {
    let directory: String
    let path: String
    let server: FastCGIServer

    init(
        threads: Int = 2, limits: ConnectionLimits = ConnectionLimits(timeout: 10),
        handler: @escaping @Sendable (FastCGIRequest) -> Void = { echo($0) }
    ) throws {
        directory = try makeTemporaryDirectory().path
        path = directory + "/s"
        server = try FastCGIServer(
            socket: try ListeningSocket.bind(path: path), threads: threads, limits: limits, handler: handler)
        try server.start()
    }

    deinit {
        server.stop(grace: 5)
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// A whole request, sent from another thread so that neither side waits for the other.
    func request(_ bytes: [UInt8]) throws -> FastCGIClient.Reply {
        let client = try FastCGIClient(path)
        let sending = Spawned { _ = client.send(bytes) }
        defer { sending.join() }
        return client.reply()
    }

    func isServing() throws -> Bool {
        try request(FCGI.begin() + FCGI.parameters(["Q": "x"]) + FCGI.body([])).text.hasPrefix("Q=x ")
    }
}

/// Answers with the parameter Q, the number of bytes of the body, their sum and the fault, if any.
@Sendable func echo(_ request: FastCGIRequest) {
    var bytes: [UInt8] = []
    var fault = ""
    withUnsafeTemporaryAllocation(byteCount: 100_000, alignment: 16) { buffer in
        do {
            while case let step = try request.read(into: buffer), step > 0 { bytes += buffer[..<step] }
        } catch {
            fault = " \(error)"
        }
    }
    let text = "Q=\(request.parameter("Q") ?? "") \(bytes.count) \(sum(bytes))\(fault)"
    request.reply(status: 200, headers: [("Content-Type", "text/plain")], body: Array(text.utf8))
}

/// Tells different bytes, and the same in another order, apart. Eight at a time, since tests are not optimised.
func sum(_ bytes: [UInt8]) -> UInt64 {
    bytes.withUnsafeBytes { bytes in
        var result: UInt64 = 0
        var index = 0
        while index + 8 <= bytes.count {
            result = result &* 31 &+ bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            index += 8
        }
        while index < bytes.count {
            result = result &* 31 &+ UInt64(bytes[index])
            index += 1
        }
        return result
    }
}

/// Bytes without a short period.
func pattern(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: (count + 7) & ~7) { buffer, initialised in
        var value: UInt64 = 1
        for index in stride(from: 0, to: count, by: 8) {
            value = value &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            UnsafeMutableRawBufferPointer(buffer).storeBytes(of: value, toByteOffset: index, as: UInt64.self)
        }
        initialised = count
    }
}

/// A thread, for calls that block: the tests' own threads are as few as the cores.
final class Spawned: Sendable {
    private let end = DispatchSemaphore(value: 0)

    init(_ work: @escaping @Sendable () -> Void) {
        let end = end
        Thread {
            work()
            end.signal()
        }.start()
    }

    func join() {
        end.wait()
        end.signal()
    }
}

/// Something that one thread stores and another takes.
final class Box<Value: Sendable>: Sendable {
    private let value: Mutex<Value?> = Mutex(nil)
    private let stored = DispatchSemaphore(value: 0)

    func store(_ new: Value) {
        value.withLock { $0 = new }
        stored.signal()
    }

    /// Waits for it. Nil after 10 s.
    func take() -> Value? {
        guard stored.wait(timeout: .now() + 10) == .success else { return nil }
        return value.withLock { $0.take() }
    }
}

func openDescriptors() -> Int {
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? -1
}

func seconds<Result>(_ work: () throws -> Result) rethrows -> (Double, Result) {
    let start = DispatchTime.now().uptimeNanoseconds
    let result = try work()
    return (Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9, result)
}

/// The listening socket `number` once more, as a process that inherits it has it.
func takeOver(_ number: Int32) throws -> ListeningSocket {
    guard let socket = ListeningSocket(moving: number) else { throw POSIXError(.ENOTSOCK) }
    return socket
}
