/// What makes the address of a video impossible to guess: 22 letters and digits of the system's randomness, 130 bits, behind
/// the name and a hyphen. A guid tells when its page was loaded, and is no secret.
enum RandomPart {
    static let length = 22
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")

    static func make() -> String {
        var generator = SystemRandomNumberGenerator()
        return String((0..<length).map { _ in alphabet.randomElement(using: &generator)! })
    }

    /// The random part of a path that was made with one.
    static func of(path: String) -> String? {
        let stem = path.prefix(upTo: path.lastIndex(of: ".") ?? path.endIndex)
        let part = stem.suffix(length)
        guard stem.dropLast(length).last == "-", part.allSatisfy(alphabet.contains) else { return nil }
        return String(part)
    }
}
