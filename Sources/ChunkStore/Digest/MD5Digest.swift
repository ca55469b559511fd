import CDigest
import System

/// A running MD5 digest. https://www.rfc-editor.org/rfc/rfc1321
package struct MD5Digest: Sendable {
    private var state = vi_md5()

    package init() {
        reset()
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        vi_md5_update(&state, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
    }

    /// Forgets everything so far.
    package mutating func reset() {
        vi_md5_begin(&state)
    }

    /// The digest of everything so far as 32 lower-case hexadecimal digits; begins anew.
    package mutating func finish() -> String {
        var digest: [UInt8] = Array(repeating: 0, count: 16)
        vi_md5_end(&state, &digest)
        reset()
        return digest.hexadecimal
    }
}

// MARK: - Several at once

extension MD5Digest {
    /// Bytes that MD5 takes at a time.
    package static let blockSize = vi_md5_block

    /// How many digests `update(_:_:count:)` takes.
    package static let lanes = vi_md5_lanes

    /// Continues several digests by the same number of bytes each: much faster than one after the other.
    ///
    /// - Parameters:
    ///   - digests: at most `lanes`.
    ///   - bytes: where each one's bytes are.
    package static func update(_ digests: inout [MD5Digest], _ bytes: [UnsafeRawPointer], count: Int) {
        precondition(digests.count <= lanes && digests.count == bytes.count)
        var states = digests.map(\.state)
        let sources = bytes.map { Optional($0.assumingMemoryBound(to: UInt8.self)) }
        vi_md5_update_several(&states, states.count, sources, count)
        for index in digests.indices { digests[index].state = states[index] }
    }
}
