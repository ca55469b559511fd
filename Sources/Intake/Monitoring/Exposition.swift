/// Metrics as Prometheus reads them.
///
/// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
struct Exposition {
    static let contentType = "text/plain; version=0.0.4"

    enum Kind: String {
        case counter, gauge, histogram
    }

    private(set) var text = ""

    /// Adds a metric that has one value.
    mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: some Numeric) {
        add(name, kind, help, [([], value)])
    }

    /// Adds a metric that has a value for each of some labels; nothing if there are none.
    mutating func add<Value: Numeric>(
        _ name: String, _ kind: Kind, _ help: String, _ samples: [(labels: [(String, String)], value: Value)]
    ) {
        if samples.isEmpty { return }
        addHead(name, kind, help)
        for sample in samples { addLine(name, sample.labels, "\(sample.value)") }
    }

    mutating func add(_ name: String, _ help: String, _ histogram: Histogram) {
        addHead(name, .histogram, help)
        let counts = histogram.cumulative
        for (bound, count) in zip(Histogram.bounds.map { "\($0)" } + ["+Inf"], counts) {
            addLine("\(name)_bucket", [("le", bound)], "\(count)")
        }
        addLine("\(name)_sum", [], "\(histogram.sum)")
        addLine("\(name)_count", [], "\(counts.last!)")
    }

    private mutating func addHead(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP video_intake_\(name) \(help)\n# TYPE video_intake_\(name) \(kind.rawValue)\n"
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
