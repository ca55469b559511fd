/// Text that a client sends.
package enum FormText {
    /// The text that `bytes` spell; nil if they are not UTF-8 or have a NUL among them, which ends a string for C.
    ///
    /// Nothing is repaired: two names of other bytes would become the same one, and GBK would be stored as something else.
    package static func read(_ bytes: some Sequence<UInt8>) -> String? {
        guard var text = String(validating: bytes, as: UTF8.self) else { return nil }
        return text.withUTF8 { $0.contains(0) } ? nil : text
    }
}
