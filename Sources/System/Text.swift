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
    ///
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
