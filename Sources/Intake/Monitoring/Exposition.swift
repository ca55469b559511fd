/// Metrics as Prometheus reads them.
///
/// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
struct Exposition {
    static let contentType = "text/plain; version=0.0.4"

    private(set) var text = ""

    /// Adds a metric that has one value.
    mutating func add(_ name: String, _ help: String, _ value: some Numeric) { add(name, help, [([], value)]) }

    /// Adds a metric that has a value for each of some labels; nothing if there are none.
    mutating func add<Value: Numeric>(
        _ name: String, _ help: String, _ samples: [(labels: [(String, String)], value: Value)]
    ) {
        if samples.isEmpty { return }
        // Counters end in `_total`, by Prometheus' rule for names, and nothing else does.
        addHead(name, name.hasSuffix("_total") ? "counter" : "gauge", help)
        for sample in samples { addLine(name, sample.labels, "\(sample.value)") }
    }

    mutating func add(_ name: String, _ help: String, _ histogram: Histogram) {
        addHead(name, "histogram", help)
        let counts = histogram.cumulative
        for (bound, count) in zip(Histogram.bounds.map { "\($0)" } + ["+Inf"], counts) {
            addLine("\(name)_bucket", [("le", bound)], "\(count)")
        }
        addLine("\(name)_sum", [], "\(histogram.sum)")
        addLine("\(name)_count", [], "\(counts.last!)")
    }

    private mutating func addHead(_ name: String, _ kind: String, _ help: String) {
        text += "# HELP video_intake_\(name) \(help)\n# TYPE video_intake_\(name) \(kind)\n"
    }

    private mutating func addLine(_ name: String, _ labels: [(String, String)], _ value: String) {
        let shown = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
        text += "video_intake_\(name)\(labels.isEmpty ? "" : "{\(shown)}") \(value)\n"
    }

    private static func escaped(_ value: String) -> String {
        // By scalars: a character may have a quote or a line feed as one of several.
        var escaped = String.UnicodeScalarView()
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\", "\"": escaped.append(contentsOf: ["\\", scalar])
            case "\n": escaped.append(contentsOf: ["\\", "n"])
            default: escaped.append(scalar)
            }
        }
        return String(escaped)
    }
}

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
