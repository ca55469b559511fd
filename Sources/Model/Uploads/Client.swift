import System

/// Whom a request counts for: limits are by client.
///
/// The owner, or where there is none the address. Of version 6 a whole /64 is one client, because that is what one
/// subscriber has at least, and a /48, which one may have, is at most four.
package struct Client: Hashable, Sendable, CustomStringConvertible {
    private let text: ExactText

    /// `owner:NAME`, `192.0.2.7` or `2001:db8:1::/48#2`, as the catalogue and the log have it.
    package var description: String { text.text }

    /// - Parameter text: the description of one that was recorded.
    package init(recorded text: String) { self.text = ExactText(text) }

    /// That of requests which cannot be told apart: without an owner, and without an address that says whose they are.
    package static let unknown = Client(recorded: "")

    /// - Parameters:
    ///   - owner: `""` for the one shared owner.
    ///   - address: as text; what is no address is unknown.
    package init(owner: String, address: String) {
        if !owner.isEmpty {
            self.init(recorded: "owner:" + owner)
        } else if let parsed = IPAddress(address) {
            // Of version 4 only one spelling is read.
            if parsed.bytes.count == 4 { self.init(recorded: address) } else { self.init(parsed.unmapped) }
        } else {
            self = .unknown
        }
    }

    private init(_ address: IPAddress) {
        guard address.bytes.count == 16 else {
            self.init(recorded: address.description)
            return
        }
        let site = IPAddress(bytes: address.bytes[..<6] + [UInt8](repeating: 0, count: 10))
        // Fibonacci hashing, Knuth, The Art of Computer Programming, volume 3, section 6.4: the two highest bits.
        let subnet = UInt32(address.bytes[6]) << 8 | UInt32(address.bytes[7])
        self.init(recorded: "\(site)/48#\((subnet &* 0x9E37_79B9) >> 30)")
    }

    package var isKnown: Bool { !description.isEmpty }

    /// How much it may have where a client may have `own` and all may have `total`. What cannot be told apart stands for many
    /// clients, of which one must not take all that the others have: half of it.
    package func limit(_ own: Int, of total: Int) -> Int { isKnown ? own : max(own, total / 2) }
}

/// Text that equals another one if its bytes do, as the catalogue compares: Swift takes canonically equivalent text for equal.
package struct ExactText: Hashable, Sendable {
    package let text: String

    package init(_ text: String) { self.text = text }

    package static func == (one: ExactText, other: ExactText) -> Bool { one.text.utf8.elementsEqual(other.text.utf8) }

    package func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}
