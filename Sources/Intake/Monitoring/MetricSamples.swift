/// The values in a text of metrics, as the responder answers GET /metrics.
///
/// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
package struct MetricSamples: Equatable, Sendable {
    package struct Sample: Equatable, Sendable {
        package let labels: [String: String]
        package let value: Double
    }

    private var samples: [String: [Sample]] = [:]

    /// What stands before each name.
    private static let prefix = "video_intake_"

    /// Lines that cannot be understood are left out.
    package init(text: String) {
        for line in text.split(separator: "\n") where line.hasPrefix(Self.prefix) {
            var rest = line.dropFirst(Self.prefix.count)
            let name = String(rest.prefix { $0 != "{" && $0 != " " })
            rest = rest.dropFirst(name.count)
            guard let labels = Self.labels(&rest), let number = rest.split(separator: " ").first,
                let value = Double(number)
            else { continue }
            samples[name, default: []].append(Sample(labels: labels, value: value))
        }
    }

    /// All values of a metric, whose name is given without what all of them begin with.
    package subscript(name: String) -> [Sample] { samples[name] ?? [] }

    /// The first value of a metric, `nil` if it has none.
    package func value(_ name: String) -> Double? { self[name].first?.value }

    /// Takes the labels from the beginning of a text.
    private static func labels(_ text: inout Substring) -> [String: String]? {
        guard text.first == "{" else { return [:] }
        text.removeFirst()
        var labels: [String: String] = [:]
        while text.first != "}" {
            guard let equals = text.firstIndex(of: "=") else { return nil }
            let name = String(text[..<equals])
            text = text[equals...].dropFirst()
            guard text.popFirst() == "\"" else { return nil }
            var value = ""
            while let character = text.popFirst(), character != "\"" {
                guard character == "\\" else {
                    value.append(character)
                    continue
                }
                guard let escaped = text.popFirst() else { return nil }
                value.append(escaped == "n" ? "\n" : escaped)
            }
            labels[name] = value
            if text.first == "," { text.removeFirst() }
            if text.isEmpty { return nil }
        }
        text.removeFirst()
        return labels
    }
}
