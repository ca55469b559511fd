import Foundation

/// What a run of the benchmark has found.
struct Report {
    let loads: [Load]
    /// Names and promises, in the order of the tables.
    var contestants: [(name: String, promise: String)] = []
    var measurements: [String: [Load: [Measurement]]] = [:]
    var lookups: [String: [Int: [Lookups.Measurement]]] = [:]
    /// Bytes a second.
    var md5 = 0.0
    /// Of the responder, for one determine_video_exist; `nil` without valgrind.
    var instructions: (lookup: Int?, chunk: Int?)
    var absent: [(name: String, reason: String)] = []
    var failures: [(name: String, load: String)] = []

    init(loads: [Load]) {
        self.loads = loads
    }

    /// A figure of one contestant with one load: the median of the rounds.
    func median(_ name: String, _ load: Load, _ figure: (Measurement) -> Double) -> Double? {
        guard let all = measurements[name]?[load] else { return nil }
        return all.map(figure).median
    }

    /// MB a second.
    func throughput(_ name: String, _ load: Load) -> Double? {
        median(name, load) { Double(load.bytes) / $0.seconds / 1e6 }
    }
}

// MARK: - Text

extension Report {
    private static var reference: String { Intake.handOff.name }

    /// Everything as Markdown.
    var text: String {
        var sections = [throughputTable, requestTable, costTable]
        if !lookups.isEmpty { sections.append(lookupTable) }
        sections.append(limits)
        if !absent.isEmpty {
            sections.append(absent.map { "Absent: \($0.name): \($0.reason)" }.joined(separator: "\n"))
        }
        if !failures.isEmpty {
            sections.append(failures.map { "Failed: \($0.name), \($0.load)" }.joined(separator: "\n"))
        }
        return sections.joined(separator: "\n\n")
    }

    private var throughputTable: String {
        table(["MB/s (times slower than video-intake)"] + loads.map(\.name) + ["what a reply promises"]) {
            name, promise in
            loads.map { load in
                guard let own = throughput(name, load) else { return "–" }
                guard name != Self.reference, let reference = throughput(Self.reference, load) else {
                    return number(own)
                }
                return "\(number(own)) (\(number(reference / own)))"
            } + [promise]
        }
    }

    private var requestTable: String {
        let single = loads.filter { $0.videos == 1 }
        let heads = single.flatMap { ["\($0.name): part p50", "p99", "completing"] }
        return table(["milliseconds"] + heads) { name, _ in
            single.flatMap { load in
                [
                    median(name, load) { $0.parts.median }, median(name, load) { $0.parts.quantile(0.99) },
                    median(name, load, \.completing),
                ].map { $0.map { number($0 * 1000) } ?? "–" }
            }
        }
    }

    private var costTable: String {
        let loads = self.loads.filter { $0.size >= 1 << 30 || $0 == self.loads.first || $0.videos > 1 }
        let heads = loads.flatMap { ["\($0.name): nginx CPU s/GiB", "backend CPU s/GiB", "peak MiB", "client CPU %"] }
        return table(["cost"] + heads) { name, _ in
            loads.flatMap { load in
                let gibibytes = Double(load.bytes) / Double(1 << 30)
                return [
                    median(name, load) { $0.nginxCPU / gibibytes }, median(name, load) { $0.backendCPU / gibibytes },
                    median(name, load) { Double($0.memory) / Double(1 << 20) },
                    median(name, load) { 100 * $0.clientCPU / $0.seconds },
                ].map { $0.map(number) ?? "–" }
            }
        }
    }

    private var lookupTable: String {
        let heads = Lookups.clients.flatMap { ["\($0) clients: requests/s", "p99 ms", "slowest ms"] }
        return table(["determine_video_exist"] + heads, only: { lookups[$0] != nil }) { name, _ in
            Lookups.clients.flatMap { clients in
                let all = lookups[name]?[clients] ?? []
                return [
                    number(all.map(\.requestsPerSecond).median), number(all.map(\.p99).median * 1000),
                    number((all.map(\.slowest).max() ?? 0) * 1000),
                ]
            }
        }
    }

    private var limits: String {
        var lines = [
            "MD5 on one core (openssl speed): \(number(md5 / 1e6)) MB/s; 1 GiB takes \(number(Double(1 << 30) / md5)) s."
        ]
        for load in loads where load.videos == 1 {
            guard let own = median(Self.reference, load, \.seconds) else { continue }
            let floor = median(SpoolFloor().name, load, \.seconds) ?? 0
            let limit = max(floor, Double(load.bytes) / md5)
            lines.append(
                "\(load.name): video-intake \(number(own)) s, \(number(own / limit)) × the larger of spool floor and MD5."
            )
        }
        if let lookup = instructions.lookup, let chunk = instructions.chunk {
            lines.append(
                "Instructions of the responder (callgrind): \(lookup) for one determine_video_exist, \(chunk) for one "
                    + "chunk of 4 KiB.")
        }
        return lines.joined(separator: "\n")
    }

    private func table(
        _ heads: [String], only isShown: (String) -> Bool = { _ in true },
        _ cells: (_ name: String, _ promise: String) -> [String]
    ) -> String {
        let rows = contestants.filter { isShown($0.name) }.map { [$0.name] + cells($0.name, $0.promise) }
        let widths = heads.indices.map { column in ([heads] + rows).map { $0[column].count }.max()! }
        func line(_ cells: [String]) -> String {
            "| " + zip(cells, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: " | ")
                + " |"
        }
        let rule = "|" + widths.map { String(repeating: "-", count: $0 + 2) }.joined(separator: "|") + "|"
        return ([line(heads), rule] + rows.map(line)).joined(separator: "\n")
    }
}

/// A figure with three digits that matter.
func number(_ figure: Double) -> String {
    String(format: abs(figure) < 9.995 ? "%.2f" : abs(figure) < 99.95 ? "%.1f" : "%.0f", figure)
}
