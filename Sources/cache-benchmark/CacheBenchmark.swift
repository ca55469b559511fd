import ArgumentParser
import Foundation

/// Prints how fast the cache is, how much memory it takes and how often it hits, next to Guava and Caffeine on request.
@main
struct CacheBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache-benchmark",
        abstract: "Measures LoadingCache: million operations a second by mode and number of threads.",
        discussion: """
            All keys are present: Zipf 0.99 over 16,384 ids of 32 characters. Each line is a cell: the mode (read; \
            mixed, where every fourth operation writes; write), the number of threads, and million operations a \
            second, the best of the rounds. Build it with -c release.
            """)

    /// What the keys are.
    enum Keys: String, CaseIterable, ExpressibleByArgument {
        /// Strings; all threads use the very objects that are stored, as in the peers.
        case shared
        /// Strings; each thread has copies of its own, as keys that come with requests are.
        case own
        /// Values of 32 bytes without a heap object.
        case inline
    }

    @Option(help: "How long each cell runs in each round.") var seconds = 1.0
    @Option(help: "How many rounds; the best of each cell counts, since other programs only ever slow one down.")
    var rounds = 1
    @Option(help: "The keys: strings that the threads share, strings of their own, or inline values.")
    var keys = Keys.shared
    @Flag(help: "Also run Guava and Caffeine, in the same rounds, and print the ratios.") var peers = false
    @Flag(help: "Compare hit rates with those of Guava and Caffeine instead.") var hitRate = false
    @Flag(help: "Compare bytes an entry with those of Guava and Caffeine instead.") var memory = false
    @Flag(help: "Compare locks instead.") var locks = false

    func validate() throws {
        guard seconds > 0, rounds > 0 else { throw ValidationError("seconds and rounds are above zero") }
    }

    func run() throws {
        if locks { return Locks.compare(Workload(), seconds: seconds, rounds: rounds) }
        if hitRate { return try compareHitRates() }
        if memory { return try compareMemory() }
        let workload = Workload()
        switch keys {
        case .shared: try measure(Cells(workload, sharesKeys: true) { $0 })
        case .own: try measure(Cells(workload, sharesKeys: false) { String(decoding: Array($0.utf8), as: UTF8.self) })
        case .inline: try measure(Cells(workload, sharesKeys: true) { InlineKey($0) })
        }
    }

    @inline(__always)
    private func measure<Key>(_ cells: Cells<Key>) throws {
        let java = peers ? try Peers() : nil
        defer { java?.remove() }
        var best: [String: Double] = [:]
        for _ in 0..<rounds {
            for mode in Mode.allCases {
                for threads in Throughput.threadCounts {
                    _ = cells.run(mode, threads: threads, seconds: seconds / 4)
                    let rate = cells.run(mode, threads: threads, seconds: seconds)
                    best["\(mode) \(threads)"] = max(rate, best["\(mode) \(threads)"] ?? 0)
                }
            }
            let figures = try java?.figures(["throughput", "\(seconds)"]) ?? [:]
            best.merge(figures) { max($0, $1) }
        }
        for mode in Mode.allCases {
            for threads in Throughput.threadCounts {
                let cell = "\(mode) \(threads)"
                var line = "\(cell) \(rounded(best[cell]!))"
                for peer in Peers.names {
                    guard let rate = best["\(peer) \(cell)"] else { continue }
                    line += "   \(peer) \(rounded(rate)) ratio \(rounded(best[cell]! / rate))"
                }
                print(line)
            }
        }
    }

    private func compareHitRates() throws {
        let java = try Peers()
        defer { java.remove() }
        let figures = try java.figures(["hit-rate", "\(HitRate.size)", "\(HitRate.requests)"])
        for (pattern, own) in [("zipf", try HitRate.zipf()), ("loop", try HitRate.loop())] {
            let others = Peers.names.map { "\($0) \(percent(figures["\($0) \(pattern)"] ?? 0))" }
            print(pattern, percent(own), others.joined(separator: " "))
        }
    }

    private func compareMemory() throws {
        print("LoadingCache", rounded(try Memory.perEntry()))
        let java = try Peers()
        defer { java.remove() }
        let figures = try java.figures(["memory", "\(Memory.entries)"])
        for peer in Peers.names { print(peer, rounded(figures[peer] ?? 0)) }
    }

    private func percent(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }
}
