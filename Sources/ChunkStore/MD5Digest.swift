import CCrypto
import CDigest

/// A running MD5 digest: libcrypto's, but for whole blocks, which `CDigest` takes faster.
///
/// The interface that lets its state be seen: https://docs.openssl.org/3.0/man3/MD5/
package struct MD5Digest: Sendable {
    private var context = MD5_CTX()

    package init() {
        reset()
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        let beginning = isAtBlock ? 0 : min(Self.blockSize - Int(context.num), bytes.count)
        MD5_Update(&context, bytes.baseAddress, beginning)
        let blocks = (bytes.count - beginning) / Self.blockSize
        if blocks > 0, let address = bytes.baseAddress {
            var state = [context.A, context.B, context.C, context.D]
            vi_md5_update_one(&state, (address + beginning).assumingMemoryBound(to: UInt8.self), blocks)
            proceed(to: (state[0], state[1], state[2], state[3]), by: blocks * Self.blockSize)
        }
        let rest = UnsafeRawBufferPointer(rebasing: bytes[(beginning + blocks * Self.blockSize)...])
        MD5_Update(&context, rest.baseAddress, rest.count)
    }

    /// Forgets everything so far.
    package mutating func reset() {
        MD5_Init(&context)
    }

    /// The digest of everything so far as 32 lower-case hexadecimal digits; begins anew.
    package mutating func finish() -> String {
        var digest: [UInt8] = Array(repeating: 0, count: 16)
        MD5_Final(&digest, &context)
        reset()
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

// MARK: - Several at once

extension MD5Digest {
    /// Bytes that MD5 takes at a time.
    static let blockSize = 64

    /// How many digests `update(_:_:count:)` takes.
    static let lanes = Int(vi_md5_lanes)

    /// Whether everything so far is whole blocks.
    private var isAtBlock: Bool { context.num == 0 }

    /// Continues several digests by the same number of bytes each: much faster than one after the other.
    ///
    /// - Parameters:
    ///   - digests: at most `lanes`.
    ///   - bytes: where each one's bytes are.
    static func update(_ digests: inout [MD5Digest], _ bytes: [UnsafeRawPointer], count: Int) {
        let blocks = count / blockSize
        guard digests.count > 1, blocks > 0, digests.allSatisfy(\.isAtBlock) else {
            for index in digests.indices {
                digests[index].update(UnsafeRawBufferPointer(start: bytes[index], count: count))
            }
            return
        }
        var state = [UInt32](repeating: 0, count: 4 * lanes)
        // What the lanes without a digest do is never looked at.
        var sources = [UnsafePointer<UInt8>?](
            repeating: bytes[0].assumingMemoryBound(to: UInt8.self), count: lanes)
        for (lane, digest) in digests.enumerated() {
            state[lane] = digest.context.A
            state[lanes + lane] = digest.context.B
            state[2 * lanes + lane] = digest.context.C
            state[3 * lanes + lane] = digest.context.D
            sources[lane] = bytes[lane].assumingMemoryBound(to: UInt8.self)
        }
        vi_md5_update(&state, &sources, blocks)
        let done = blocks * blockSize
        for lane in digests.indices {
            digests[lane].proceed(
                to: (state[lane], state[lanes + lane], state[2 * lanes + lane], state[3 * lanes + lane]), by: done)
            digests[lane].update(UnsafeRawBufferPointer(start: bytes[lane] + done, count: count - done))
        }
    }

    private mutating func proceed(to state: (UInt32, UInt32, UInt32, UInt32), by bytes: Int) {
        (context.A, context.B, context.C, context.D) = state
        let bits = (UInt64(context.Nh) << 32 | UInt64(context.Nl)) &+ UInt64(bytes) << 3
        context.Nl = UInt32(truncatingIfNeeded: bits)
        context.Nh = UInt32(truncatingIfNeeded: bits >> 32)
    }
}
