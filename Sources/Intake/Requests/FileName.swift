/// The name of a file as a client sends it.
enum FileName {
    static let scalarLimit = 255
    static let byteLimit = 1000
    /// Of an extension with its dot; a longer one is no extension.
    private static let extensionLimit = 16

    /// The name behind the last `/` or `\`, shortened to 255 Unicode scalars and 1,000 bytes before its extension.
    ///
    /// 255 is what file systems take, in bytes most of them; a scalar has four at most.
    static func bounded(_ text: String) -> String {
        let name = text.unicodeScalars.split(omittingEmptySubsequences: false) { $0 == "/" || $0 == "\\" }.last!
        guard name.count > scalarLimit || String(name).utf8.count > byteLimit else { return String(name) }
        let end = name.lastIndex(of: ".").map { name[$0...] }
        let kept = end.flatMap { $0.count <= extensionLimit ? $0 : nil } ?? name[name.endIndex...]
        var (scalars, bytes) = (scalarLimit - kept.count, byteLimit - String(kept).utf8.count)
        let stem = name.prefix { scalar in
            scalars -= 1
            bytes -= UTF8.width(scalar)
            return scalars >= 0 && bytes >= 0
        }
        return String(stem) + String(kept)
    }
}
