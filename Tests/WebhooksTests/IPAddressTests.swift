import Glibc
import System
import Testing

@testable import Webhooks

/// Which addresses a webhook is not delivered to.
@Suite struct IPAddressTests {
    /// The first and the last address of a range, and what it is.
    static let refusedRanges: [(first: String, last: String, use: String)] = [
        ("0.0.0.0", "0.255.255.255", "this network"),
        ("10.0.0.0", "10.255.255.255", "private network"),
        ("100.64.0.0", "100.127.255.255", "carrier-grade NAT"),
        ("127.0.0.0", "127.255.255.255", "loopback"),
        ("169.254.0.0", "169.254.255.255", "link-local"),
        ("172.16.0.0", "172.31.255.255", "private network"),
        ("192.0.0.0", "192.0.0.255", "reserved"),
        ("192.0.2.0", "192.0.2.255", "documentation"),
        ("192.88.99.0", "192.88.99.255", "reserved"),
        ("192.168.0.0", "192.168.255.255", "private network"),
        ("198.18.0.0", "198.19.255.255", "benchmarking"),
        ("198.51.100.0", "198.51.100.255", "documentation"),
        ("203.0.113.0", "203.0.113.255", "documentation"),
        ("224.0.0.0", "239.255.255.255", "multicast"),
        ("240.0.0.0", "255.255.255.255", "reserved"),
        ("::", "::", "unspecified"),
        ("::1", "::1", "loopback"),
        // What is not given to anybody, among it addresses of version 4 in an old notation.
        ("::2", "::fffe:ffff:ffff", "reserved"),
        ("::7f00:1", "::7f00:1", "reserved"),
        ("::1:0:0:0", "64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"),
        ("64:ff9b::1:0:0", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"),
        ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"),
        ("fe00::", "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"),
        ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "Teredo"),
        ("2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "private network"),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"),
        // What stands for an address of version 4.
        ("::ffff:127.0.0.0", "::ffff:127.255.255.255", "loopback"),
        ("::ffff:169.254.169.254", "::ffff:169.254.169.254", "link-local"),
        ("64:ff9b::10.0.0.0", "64:ff9b::10.255.255.255", "private network"),
        ("2002:7f00::", "2002:7fff:ffff:ffff:ffff:ffff:ffff:ffff", "loopback"),
        ("2002:c0a8::", "2002:c0a8:ffff:ffff:ffff:ffff:ffff:ffff", "private network"),
    ]

    /// The neighbours of all these ranges, and addresses that are in use.
    static let neighbours = [
        "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
        "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0",
        "192.0.1.255", "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0",
        "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0",
        "223.255.255.255", "8.8.8.8", "2000::", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::",
        "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2003::", "2606:4700::1", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::",
        "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::ffff:1.0.0.0", "::ffff:126.255.255.255", "::ffff:128.0.0.0",
        "64:ff9b::9.255.255.255", "64:ff9b::11.0.0.0", "2002:100::", "2002:7eff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2002:8000::", "2002:c0a7:ffff:ffff:ffff:ffff:ffff:ffff", "2002:c0a9::",
    ]

    @Test("the first and the last address of each range are refused", arguments: refusedRanges)
    func refused(first: String, last: String, use: String) throws {
        #expect(try #require(IPAddress(first)).privateUse == use)
        #expect(try #require(IPAddress(last)).privateUse == use)
    }

    @Test("those before and after are not", arguments: neighbours)
    func taken(address: String) throws {
        #expect(try #require(IPAddress(address)).privateUse == nil)
    }

    @Test("an address is read from what is connected to", arguments: ["192.0.2.77", "2001:db8::4d", "::ffff:10.1.2.3"])
    func socketAddress(text: String) throws {
        let expected = try #require(IPAddress(text))
        var bytes: [UInt8]
        if expected.bytes.count == 4 {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = 443
            withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: expected.bytes) }
            bytes = withUnsafeBytes(of: &address) { Array($0) }
        } else {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_flowinfo = 7
            withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: expected.bytes) }
            bytes = withUnsafeBytes(of: &address) { Array($0) }
        }
        #expect(bytes.withUnsafeBytes { IPAddress(socketAddress: $0) } == expected)
        #expect(expected.description == text)
        #expect(bytes[..<15].withUnsafeBytes { IPAddress(socketAddress: $0) } == nil)
        bytes[0] = UInt8(AF_UNIX)
        #expect(bytes.withUnsafeBytes { IPAddress(socketAddress: $0) } == nil)
    }
}
