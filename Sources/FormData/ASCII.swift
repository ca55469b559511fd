extension UInt8 {
    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let dash = UInt8(ascii: "-")

    /// What C's `isspace` says in the "C" locale, the one PHP parses headers in.
    var isSpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }

    var lowercased: UInt8 { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self }

    /// The value of a hexadecimal digit, nil if it is none.
    var hexDigit: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension Sequence<UInt8> {
    /// Whether these are the bytes of `word` in any case; `word` is ASCII and in lower case.
    func equalsIgnoringCase(_ word: StaticString) -> Bool {
        word.withUTF8Buffer { word in elementsEqual(word) { $0.lowercased == $1 } }
    }
}
