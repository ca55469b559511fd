import Foundation
import Glibc

/// Videos that want to lead ffmpeg elsewhere.
package enum HostileVideo {
    /// An avi with a packet of subtitles, as DivX writes them: GAB2, a name, a file. A third stream of type `txts`.
    package static func withSubtitles(_ text: String, in avi: Data) throws -> Data {
        func number(_ value: Int, _ count: Int = 4) -> Data { Data((0..<count).map { UInt8(value >> (8 * $0) & 255) }) }
        func chunk(_ name: String, _ content: Data) -> Data {
            Data(name.utf8) + number(content.count) + content + Data(count: content.count % 2)
        }
        func length(_ data: Data, at offset: Int) -> Int {
            (0..<4).reduce(0) { $0 | Int(data[data.startIndex + offset + $1]) << (8 * $1) }
        }
        let stream = chunk(
            "LIST",
            Data("strl".utf8)
                + chunk("strh", Data("txts".utf8) + Data(count: 16) + number(1) + number(1) + Data(count: 28))
                + chunk("strf", Data(count: 0)))
        let packet = chunk(
            "02tx",
            Data("GAB2\0".utf8) + number(2, 2) + number(2) + Data([0x78, 0]) + number(4, 2) + number(text.utf8.count)
                + Data(text.utf8))
        // RIFF size "AVI " LIST size "hdrl" …, then others, then LIST size "movi" …
        var result = avi
        guard let movie = result.firstRange(of: Data("movi".utf8)) else { throw CocoaError(.fileReadCorruptFile) }
        result.replaceSubrange(
            movie.lowerBound - 4..<movie.lowerBound,
            with: number(length(result, at: movie.lowerBound - 4) + packet.count))
        result.insert(contentsOf: packet, at: movie.upperBound)
        let header = length(result, at: 16)
        result.insert(contentsOf: stream, at: 20 + header)
        result.replaceSubrange(16..<20, with: number(header + stream.count))
        result.replaceSubrange(4..<8, with: number(result.count - 8))
        return result
    }
}

/// A socket on the loopback that nobody should connect to.
package final class Listener {
    private let socket: Int32
    package let port: Int

    package init() throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let number = socket
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, length) | listen(number, 8) | getsockname(number, $0, &length)
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        guard result == 0, port != 0 else { throw HTTPConnection.Fault.system(call: "listen", code: errno) }
    }

    deinit { close(socket) }

    /// Whether anybody has connected.
    package var hasCaller: Bool {
        let connection = accept(socket, nil, nil)
        if connection >= 0 { close(connection) }
        return connection >= 0
    }
}
