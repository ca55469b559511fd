import CCrypto

/// A running MD5 digest over libcrypto's EVP interface.
///
/// https://docs.openssl.org/3.0/man3/EVP_DigestInit/
package struct MD5Digest: ~Copyable, Sendable {
    // SAFETY: the context belongs to this value alone, which cannot be copied.
    nonisolated(unsafe) private let context: OpaquePointer

    package init() {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_md5(), nil) == 1 else {
            fatalError("libcrypto has no MD5: is a FIPS-only provider configured?")
        }
        self.context = context
    }

    deinit {
        EVP_MD_CTX_free(context)
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 else {
            fatalError("EVP_DigestUpdate failed")
        }
    }

    /// Forgets everything so far.
    package mutating func reset() {
        guard EVP_DigestInit_ex(context, EVP_md5(), nil) == 1 else { fatalError("EVP_DigestInit_ex failed") }
    }

    /// The digest of everything so far as 32 lower-case hexadecimal digits; begins anew.
    package mutating func finish() -> String {
        var digest: [UInt8] = Array(repeating: 0, count: 16)
        guard EVP_DigestFinal_ex(context, &digest, nil) == 1 else { fatalError("EVP_DigestFinal_ex failed") }
        reset()
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
