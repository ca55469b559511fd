import Foundation

/// Which texts a setting may have, and what each stands for.
struct SettingKind<Value>: Sendable {
    /// What a text must be, as a message says it: `a whole number from 1 to 1024`.
    let allowed: String
    let print: @Sendable (Value) -> String
    /// `nil` if the text is not allowed.
    let parse: @Sendable (String) -> Value?
    /// Whether a text that is not allowed may have a password in it, and no message may show it.
    var mayHidePassword: @Sendable (String) -> Bool = { _ in false }

    init(
        _ allowed: String, _ print: @escaping @Sendable (Value) -> String,
        parse: @escaping @Sendable (String) -> Value?
    ) {
        (self.allowed, self.print, self.parse) = (allowed, print, parse)
    }

    static func orEmpty<Other>(_ other: SettingKind<Other>) -> Self where Value == Other? {
        var kind = Self("empty, or \(other.allowed)") {
            $0.map(other.print) ?? ""
        } parse: {
            $0.isEmpty ? .some(nil) : other.parse($0).map(Optional.some)
        }
        kind.mayHidePassword = other.mayHidePassword
        return kind
    }
}

extension SettingKind where Value == Int {
    static func integer(_ range: ClosedRange<Int>) -> Self {
        Self("a whole number from \(range.lowerBound) to \(range.upperBound)", \.description) {
            Int($0).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// Bytes: a number, or one that ends in K, M or G. Shown with the largest unit that divides it.
    static func size(_ range: ClosedRange<Int>, like example: String) -> Self {
        Self("a size from \(text(range.lowerBound)) to \(text(range.upperBound)), like \(example)", text) {
            let unit = units.firstIndex(of: $0.suffix(1).uppercased()) ?? 0
            guard let number = Int(unit == 0 ? $0 : String($0.dropLast())) else { return nil }
            let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << (10 * unit))
            return !overflow && range.contains(bytes) ? bytes : nil
        }
    }

    private static let units = ["", "K", "M", "G"]

    private static func text(_ bytes: Int) -> String {
        let unit = bytes == 0 ? 0 : min(bytes.trailingZeroBitCount / 10, units.count - 1)
        return "\(bytes >> (10 * unit))\(units[unit])"
    }
}

extension SettingKind where Value == Duration {
    static func hours(_ range: ClosedRange<Int>) -> Self { whole("hours", of: .seconds(3600), range) }
    static func seconds(_ range: ClosedRange<Int>) -> Self { whole("seconds", of: .seconds(1), range) }
    static func milliseconds(_ range: ClosedRange<Int>) -> Self { whole("milliseconds", of: .milliseconds(1), range) }

    private static func whole(_ name: String, of unit: Duration, _ range: ClosedRange<Int>) -> Self {
        Self("a whole number of \(name) from \(range.lowerBound) to \(range.upperBound)") {
            "\(Int(($0 / unit).rounded()))"
        } parse: {
            SettingKind<Int>.integer(range).parse($0).map { unit * $0 }
        }
    }
}

extension SettingKind where Value == Bool {
    static var yesOrNo: Self { Self("yes or no", { $0 ? "yes" : "no" }) { ["yes": true, "no": false][$0] } }
}

extension SettingKind where Value: RawRepresentable & CaseIterable & Sendable, Value.RawValue == String {
    /// In upper or lower case.
    static var choice: Self {
        Self("one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))", \.rawValue) {
            Value(rawValue: $0.lowercased())
        }
    }
}

extension SettingKind where Value == String {
    static var path: Self {
        Self("an absolute path", \.self) {
            guard $0.hasPrefix("/"), !$0.utf8.contains(0) else { return nil }
            return $0.count > 1 && $0.hasSuffix("/") ? String($0.dropLast()) : $0
        }
    }

    /// A slash at its end is dropped.
    static var origin: Self {
        Self("empty, or http:// or https:// and a host", \.self) {
            let text = $0.hasSuffix("/") ? String($0.dropLast()) : $0
            return text.isEmpty || url(text) != nil ? text : nil
        }
    }

    /// One that can be sent as it is, and that has no password in it.
    static var address: Self {
        var kind = Self("http:// or https:// and a host, without spaces and without user:password@", \.self) {
            guard let url = url($0), url.user == nil else { return nil }
            let isPlain = $0.unicodeScalars.allSatisfy {
                !$0.properties.isWhitespace && $0.value >= 0x20 && $0.value != 0x7f
            }
            return isPlain ? $0 : nil
        }
        kind.mayHidePassword = { $0.contains("@") }
        return kind
    }

    private static func url(_ text: String) -> URL? {
        URL(string: text).flatMap { ["http", "https"].contains($0.scheme) && $0.host?.isEmpty == false ? $0 : nil }
    }
}
