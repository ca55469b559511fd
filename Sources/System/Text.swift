extension Sequence<UInt8> {
    /// Two lower-case hexadecimal digits for each byte.
    package var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

extension Unicode.Scalar {
    /// Whether it does something other than to be seen: it begins a line, commands a terminal, turns the direction of
    /// writing around.
    package var isControl: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}

extension String {
    /// The text on one line that is safe to show, whoever has written it: of each control character there is only that it
    /// was there.
    /// - Parameter kept: a control character that stays.
    package func printable(as replacement: Unicode.Scalar = "\u{FFFD}", keeping kept: Unicode.Scalar? = nil) -> String {
        guard unicodeScalars.contains(where: \.isControl) else { return self }
        return String(UnicodeScalarView(unicodeScalars.map { $0.isControl && $0 != kept ? replacement : $0 }))
    }
}

/// Like `1.5M`: two decimals at most, the units B, K, M and G of 1024 each.
package func sizeText(_ bytes: Int) -> String {
    let units = ["B", "K", "M", "G"]
    var hundredths = bytes * 100
    var unit = 0
    while hundredths >= 1024 * 100, unit < units.count - 1 {
        hundredths = (hundredths + 512) / 1024
        unit += 1
    }
    let (whole, fraction) = hundredths.quotientAndRemainder(dividingBy: 100)
    let decimals = fraction == 0 ? "" : fraction % 10 == 0 ? ".\(fraction / 10)" : ".\(twoDigits(fraction))"
    return "\(whole)\(decimals)\(units[unit])"
}

/// A number below 100 with a leading zero if it has one digit.
package func twoDigits(_ number: some BinaryInteger) -> String { number < 10 ? "0\(number)" : "\(number)" }

/// A JSON object that is being written: its members, in the order in which they were added.
///
/// https://www.rfc-editor.org/rfc/rfc8259
package struct JSONObject: JSONValue, ExpressibleByDictionaryLiteral, Sendable {
    private var members: [UInt8] = []

    package init() { members.reserveCapacity(512) }

    package init(dictionaryLiteral members: (StaticString, any JSONValue)...) {
        self.init()
        for (name, value) in members { add(name, value) }
    }

    /// The object's text.
    package var bytes: [UInt8] { [UInt8(ascii: "{")] + members + [UInt8(ascii: "}")] }

    /// Nothing becomes `null`.
    package mutating func add(_ name: StaticString, _ value: some JSONValue) {
        if !members.isEmpty { members.append(UInt8(ascii: ",")) }
        members.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { members += $0 }
        members += "\":".utf8
        value.append(to: &members)
    }

    package func append(to text: inout [UInt8]) { text += bytes }
}

/// What a JSON object can have as a member's value.
package protocol JSONValue {
    func append(to text: inout [UInt8])
}

extension Int: JSONValue {
    package func append(to text: inout [UInt8]) { text += "\(self)".utf8 }
}

extension Int64: JSONValue {
    package func append(to text: inout [UInt8]) { text += "\(self)".utf8 }
}

extension Bool: JSONValue {
    package func append(to text: inout [UInt8]) { text += (self ? "true" : "false").utf8 }
}

/// It must be finite.
extension Double: JSONValue {
    package func append(to text: inout [UInt8]) { text += (Int(exactly: self).map { "\($0)" } ?? "\(self)").utf8 }
}

extension String: JSONValue {
    package func append(to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        for byte in utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += [UInt8(ascii: "\\"), byte]
            case 0..<0x20: text += "\\u00\(CollectionOfOne(byte).hexadecimal)".utf8
            default: text.append(byte)
            }
        }
        text.append(UInt8(ascii: "\""))
    }
}

extension Optional: JSONValue where Wrapped: JSONValue {
    package func append(to text: inout [UInt8]) {
        if let self { self.append(to: &text) } else { text += "null".utf8 }
    }
}

extension Array: JSONValue where Element: JSONValue {
    package func append(to text: inout [UInt8]) {
        text.append(UInt8(ascii: "["))
        for (index, value) in enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            value.append(to: &text)
        }
        text.append(UInt8(ascii: "]"))
    }
}
