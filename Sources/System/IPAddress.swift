import Glibc

/// An address of the internet protocol, version 4 or 6.
package struct IPAddress: Equatable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes, the most significant first.
    package let bytes: [UInt8]

    /// - Parameter bytes: 4 or 16.
    package init<Bytes: Collection<UInt8>>(bytes: Bytes) { self.bytes = Array(bytes) }

    /// The address in a sockaddr; `nil` if it is of another family, or cut off.
    package init?(socketAddress: UnsafeRawBufferPointer) {
        guard socketAddress.count >= MemoryLayout<sockaddr>.size else { return nil }
        switch Int32(socketAddress.loadUnaligned(as: sockaddr.self).sa_family) {
        case AF_INET:
            var address = socketAddress.loadUnaligned(as: sockaddr_in.self).sin_addr
            self.init(bytes: withUnsafeBytes(of: &address) { Array($0) })
        case AF_INET6 where socketAddress.count >= MemoryLayout<sockaddr_in6>.size:
            var address = socketAddress.loadUnaligned(as: sockaddr_in6.self).sin6_addr
            self.init(bytes: withUnsafeBytes(of: &address) { Array($0) })
        default: return nil
        }
    }

    /// The address that a text like `127.0.0.1` or `::1` stands for.
    package init?(_ text: String) {
        let isVersion6 = text.utf8.contains(UInt8(ascii: ":"))
        var bytes = [UInt8](repeating: 0, count: isVersion6 ? 16 : 4)
        guard inet_pton(isVersion6 ? AF_INET6 : AF_INET, text, &bytes) == 1 else { return nil }
        self.bytes = bytes
    }

    package var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(bytes.count == 16 ? AF_INET6 : AF_INET, bytes, &text, socklen_t(text.count)) != nil else {
            return "?"
        }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Why this is no address of a machine on the internet, like `loopback`; `nil` if it is one.
    ///
    /// An address that only stands for one of version 4 is what that one is.
    package var privateUse: String? {
        if bytes.count == 4 { return Self.ranges4.first { $0.contains(self) }?.use }
        if Self.mapped.contains(self) || Self.translated.contains(self) {
            return IPAddress(bytes: bytes[12...]).privateUse
        }
        if Self.sixToFour.contains(self), let use = IPAddress(bytes: bytes[2..<6]).privateUse { return use }
        if let range = Self.ranges6.first(where: { $0.contains(self) }) { return range.use }
        return Self.globalUnicast.contains(self) ? nil : "reserved"
    }

    /// Whether it is of a network that is not routed on the internet, of a link, or of this machine.
    package var isOfPrivateNetwork: Bool { ["private network", "loopback", "link-local"].contains(privateUse) }

    /// The address of version 4 that this one of version 6 only stands for, `::ffff:192.0.2.7`; itself otherwise.
    package var unmapped: IPAddress { Self.mapped.contains(self) ? IPAddress(bytes: bytes[12...]) : self }
}

// MARK: - The ranges

extension IPAddress {
    /// All addresses that begin with the same bits.
    private struct Range: Sendable {
        let first: IPAddress
        /// How many bits are the same.
        let length: Int
        let use: String

        /// - Parameter text: like `10.0.0.0/8`. It must be right.
        init(_ text: String, _ use: String) {
            let parts = text.split(separator: "/")
            first = IPAddress(String(parts[0]))!
            length = Int(parts[1])!
            self.use = use
        }

        /// - Parameter address: of the same version.
        func contains(_ address: IPAddress) -> Bool {
            let whole = length / 8
            guard address.bytes.count == first.bytes.count, address.bytes[..<whole] == first.bytes[..<whole] else {
                return false
            }
            let rest = length % 8
            return rest == 0 || (address.bytes[whole] ^ first.bytes[whole]) >> (8 - rest) == 0
        }
    }

    /// https://www.iana.org/assignments/iana-ipv4-special-registry
    private static let ranges4 = [
        Range("0.0.0.0/8", "this network"), Range("10.0.0.0/8", "private network"),
        Range("100.64.0.0/10", "carrier-grade NAT"), Range("127.0.0.0/8", "loopback"),
        Range("169.254.0.0/16", "link-local"), Range("172.16.0.0/12", "private network"),
        Range("192.0.0.0/24", "reserved"), Range("192.0.2.0/24", "documentation"),
        Range("192.88.99.0/24", "reserved"), Range("192.168.0.0/16", "private network"),
        Range("198.18.0.0/15", "benchmarking"), Range("198.51.100.0/24", "documentation"),
        Range("203.0.113.0/24", "documentation"), Range("224.0.0.0/4", "multicast"), Range("240.0.0.0/4", "reserved"),
    ]

    /// https://www.iana.org/assignments/iana-ipv6-special-registry
    private static let ranges6 = [
        Range("::/128", "unspecified"), Range("::1/128", "loopback"), Range("fc00::/7", "private network"),
        Range("fe80::/10", "link-local"), Range("ff00::/8", "multicast"), Range("2001::/32", "Teredo"),
        Range("2001::/23", "reserved"), Range("2001:db8::/32", "documentation"), Range("3fff::/20", "documentation"),
    ]

    /// Outside of it nothing is routed: https://www.iana.org/assignments/ipv6-address-space
    private static let globalUnicast = Range("2000::/3", "global unicast")
    /// https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2
    private static let mapped = Range("::ffff:0:0/96", "IPv4-mapped")
    /// https://www.rfc-editor.org/rfc/rfc6052#section-2.1
    private static let translated = Range("64:ff9b::/96", "NAT64")
    /// https://www.rfc-editor.org/rfc/rfc3056#section-2
    private static let sixToFour = Range("2002::/16", "6to4")
}
