import Glibc

/// A socket on the loopback interface or at a path, closed at its end. Thread-safe as the system's sockets are.
package final class LocalSocket: Sendable {
    package let descriptor: Int32

    private init(_ family: Int32, _ kind: __socket_type = SOCK_STREAM) throws {
        descriptor = socket(family, Int32(kind.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw HTTPConnection.Fault.system(call: "socket", code: errno) }
    }

    deinit { close(descriptor) }

    /// Binds to a free TCP port of 127.0.0.1.
    ///
    /// - Parameter backlog: connections that may wait; `nil` not to listen yet, when the port refuses connections.
    package convenience init(backlog: Int32? = nil) throws {
        try self.init(AF_INET)
        try bind(Self.internet("127.0.0.1", port: 0))
        if let backlog { try listen(backlog) }
    }

    /// Binds to a path.
    ///
    /// - Parameter backlog: as above.
    package convenience init(at path: String, backlog: Int32? = nil) throws {
        try self.init(AF_UNIX)
        try bind(Self.unix(path))
        if let backlog { try listen(backlog) }
    }

    /// Binds to a path for datagrams; in the abstract namespace if it begins with a zero byte.
    package convenience init(datagramsAt path: String) throws {
        try self.init(AF_UNIX, SOCK_DGRAM)
        // An abstract name ends where its length says.
        let size = MemoryLayout<sa_family_t>.size + path.utf8.count + (path.hasPrefix("\0") ? 0 : 1)
        try bind(Self.unix(path), size: size)
    }

    /// Connects to a TCP port of 127.0.0.1.
    ///
    /// - Parameter source: the address that the other side sees.
    package convenience init(connectedTo port: UInt16, from source: String = "127.0.0.1") throws {
        try self.init(AF_INET)
        if source != "127.0.0.1" { try bind(Self.internet(source, port: 0)) }
        try connect(Self.internet("127.0.0.1", port: port))
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Connects to a path.
    package convenience init(connectedTo path: String) throws {
        try self.init(AF_UNIX)
        try connect(Self.unix(path))
    }

    /// A TCP port of 127.0.0.1 that nobody listens on at the moment.
    package static func freePort() throws -> UInt16 { try LocalSocket().port }

    /// The port it is bound to.
    package var port: UInt16 {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    package func listen(_ backlog: Int32) throws {
        guard Glibc.listen(descriptor, backlog) == 0 else {
            throw HTTPConnection.Fault.system(call: "listen", code: errno)
        }
    }

    /// Whether anybody has connected since it was asked last. Does not wait.
    package var hasCaller: Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, 0) == 1 else { return false }
        let connection = accept(descriptor, nil, nil)
        if connection >= 0 { close(connection) }
        return connection >= 0
    }

    /// Bytes that were sent and the other side has not taken yet.
    package var unread: Int {
        var count: Int32 = 0
        return ioctl(descriptor, UInt(TIOCOUTQ), &count) == 0 ? Int(count) : -1
    }

    /// Makes calls that wait longer fail.
    package func limitWaiting(seconds: Int) {
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    private func bind<Address>(_ address: Address, size: Int = MemoryLayout<Address>.size) throws {
        let code = Self.withAddress(address) { Glibc.bind(descriptor, $0, socklen_t(size)) }
        guard code == 0 else { throw HTTPConnection.Fault.system(call: "bind", code: errno) }
    }

    private func connect<Address>(_ address: Address) throws {
        let code = Self.withAddress(address) {
            Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
        }
        guard code == 0 else { throw HTTPConnection.Fault.system(call: "connect", code: errno) }
    }

    private static func withAddress<Address>(
        _ address: Address, _ body: (UnsafePointer<sockaddr>) -> Int32
    ) -> Int32 {
        withUnsafePointer(to: address) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0) } }
    }

    private static func internet(_ address: String, port: UInt16) throws -> sockaddr_in {
        var result = sockaddr_in()
        result.sin_family = sa_family_t(AF_INET)
        result.sin_port = port.bigEndian
        guard inet_pton(AF_INET, address, &result.sin_addr) == 1 else { throw HTTPConnection.Fault.malformed(address) }
        return result
    }

    private static func unix(_ path: String) throws -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw HTTPConnection.Fault.system(call: "unix socket \(path)", code: ENAMETOOLONG)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        return address
    }
}
