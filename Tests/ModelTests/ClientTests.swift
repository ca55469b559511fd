import Testing
import Model

/// Whom a request counts for.
@Suite struct ClientTests {
    private func client(_ address: String, owner: String = "") -> Client { Client(owner: owner, address: address) }

    @Test(
        "an address is a client, one of version 4 as it is",
        arguments: [
            ("192.0.2.7", "192.0.2.7"), ("127.0.0.1", "127.0.0.1"), ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::FFFF:c000:0207", "192.0.2.7"), ("255.255.255.255", "255.255.255.255"),
        ])
    func version4(address: String, text: String) {
        #expect(client(address).description == text)
    }

    @Test("all addresses of a /64 are one client, written in any way")
    func subnet() {
        let clients = ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:DB8:0001:0002:0:0:0:9"].map {
            client($0)
        }
        #expect(Set(clients).count == 1)
        #expect(clients[0].description.hasPrefix("2001:db8:1::/48#"))
        #expect(client("2001:db8:2:2::1") != clients[0])
    }

    @Test("the subnets of a /48 are four clients, about a quarter of them each")
    func site() {
        var counts: [Client: Int] = [:]
        for subnet in 0..<65536 { counts[client("2001:db8:1:\(String(subnet, radix: 16))::1"), default: 0] += 1 }
        #expect(counts.count == 4)
        #expect(counts.values.allSatisfy { (8192...32768).contains($0) })
    }

    @Test("an owner is a client, whatever the address, and told apart by its bytes")
    func owners() {
        #expect(client("192.0.2.7", owner: "alice") == client("", owner: "alice"))
        #expect(client("192.0.2.7", owner: "alice").description == "owner:alice")
        #expect(client("", owner: "\u{e9}") != client("", owner: "e\u{301}"))
        #expect(client("", owner: "192.0.2.7") != client("192.0.2.7"))
    }

    @Test(
        "what is no address is that of nobody known",
        arguments: ["", "unix:", "192.0.2", "192.0.2.256", "2001:db8::1%eth0", "localhost", "::g", "1.2.3.4, 5.6.7.8"])
    func garbage(text: String) {
        #expect(client(text) == .unknown && !client(text).isKnown && client(text).description.isEmpty)
    }
}
