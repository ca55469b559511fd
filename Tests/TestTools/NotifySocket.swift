import Foundation
import Glibc

/// What systemd gives a unit to be told what goes on: a datagram socket, and the words that have come.
package final class NotifySocket: Sendable {
    /// For NOTIFY_SOCKET.
    package let address: String
    private let socket: LocalSocket
    private let directory: URL
    private let received = Locked<[String]>([])

    /// - Parameter isAbstract: whether its name is none in the file system.
    package init(isAbstract: Bool = false) throws {
        directory = try makeTemporaryDirectory()
        let path = directory.path + "/notify"
        address = isAbstract ? "@" + path : path
        socket = try LocalSocket(datagramsAt: isAbstract ? "\0" + path : path)
        // At once, as systemd does: only a few may wait, then whoever sends another one waits too.
        Thread.detachNewThread { [socket, received] in
            var buffer = [UInt8](repeating: 0, count: 4096)
            while case let count = recv(socket.descriptor, &buffer, buffer.count, 0), count > 0 {
                received.withLock { $0.append(String(decoding: buffer.prefix(count), as: UTF8.self)) }
            }
        }
    }

    deinit {
        // Ends the thread, which closes it.
        shutdown(socket.descriptor, Int32(SHUT_RDWR))
        try? FileManager.default.removeItem(at: directory)
    }

    /// All datagrams that have come, in order.
    package var all: [String] { received.withLock(\.self) }

    /// How many of them have this line.
    package func count(_ line: String) -> Int {
        all.count { $0.split(separator: "\n").contains(Substring(line)) }
    }

    /// Waits until so many have this line.
    package func waits(for line: String, count: Int = 1, within seconds: Double = 20) -> Bool {
        eventually(within: seconds) { self.count(line) >= count }
    }
}
