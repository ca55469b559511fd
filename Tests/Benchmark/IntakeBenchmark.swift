import ArgumentParser
import Foundation
import Glibc
import TestSupport

/// `Tests/bench`: uploads the same videos to video-intake and to what people would run instead.
@main
struct IntakeBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "Tests/bench",
        abstract: "Measures uploads to video-intake and to what people would run instead.",
        discussion: """
            Each contestant runs behind nginx on the loopback interface, in a throw-away directory of its own, and gets \
            the same videos over 3 connections. Contestants take turns in every round, and the tables have medians. \
            What cannot be installed here is reported as absent.
            """,
        subcommands: [Compare.self, TranscodingLoad.self, IdleResponder.self], defaultSubcommand: Compare.self)
}

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "compare", shouldDisplay: false)

    @Flag(help: "One round with 64 MiB, to see whether the benchmark works: the figures mean little.")
    var quick = false
    @Option(help: "How often everything is measured.") var rounds: Int?
    @Option(help: "Only the contestants whose names are or contain one of these words, comma-separated.") var only:
        String?
    @Option(help: "Sizes of the videos in MiB, comma-separated (64,256,1024,2048).") var sizes: String?
    @Flag(inversion: .prefixedNo, help: "Also upload 8 videos of 256 MiB at once.") var together = true
    @Flag(inversion: .prefixedNo, help: "Also measure determine_video_exist.") var lookups = true
    @Option(help: "Write the chart to this SVG file.") var chart: String?
    @Option(help: "Where everything is written meanwhile.") var directory = FileManager.default.temporaryDirectory.path

    func validate() throws {
        guard rounds ?? 1 > 0 else { throw ValidationError("rounds is above zero") }
        guard loads.allSatisfy({ 1 << 21 < $0.size && $0.size <= 1 << 31 }) else {
            throw ValidationError("sizes are numbers from 3 to 2048")
        }
    }

    private var loads: [Load] {
        let sizes = sizes?.split(separator: ",").map { Int($0) ?? 0 } ?? (quick ? [64] : [64, 256, 1024, 2048])
        let single = sizes.map { Load(size: $0 << 20) }
        return together ? single + [Load(videos: 8, size: quick ? 8 << 20 : 256 << 20)] : single
    }

    private var contestants: [any Contestant] {
        guard let words = only?.lowercased().split(separator: ",") else { return allContestants }
        let names = allContestants.map { Substring($0.name.lowercased()) }
        return zip(allContestants, names).filter { _, name in
            words.contains { names.contains($0) ? name == $0 : name.contains($0) }
        }.map(\.0)
    }

    func run() throws {
        // Names of Unix sockets have at most 107 bytes.
        let place = "\(directory)/bench-\(getpid())"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: place) }
        var report = Report(loads: loads)
        let present = contestants.filter { contestant in
            guard let reason = contestant.absence else { return true }
            report.absent.append((contestant.name, reason))
            return false
        }

        progress("making the videos")
        let sizes = Dictionary(grouping: loads, by: \.self).keys.flatMap { load in
            Array(repeating: load.size, count: load.videos)
        }
        let file = try SampleFile(in: place, size: sizes.max() ?? 0)
        var videos: [Load: [SampleVideo]] = [:]
        for load in loads { videos[load] = try file.videos(Array(repeating: load.size, count: load.videos)) }

        let warmUp = try file.videos([4 << 20])[0]
        let rounds = rounds ?? (quick ? 1 : 3)
        for round in 0..<rounds {
            for load in loads {
                // Another one begins each time.
                for index in present.indices {
                    let contestant = present[(index + round) % present.count]
                    progress("round \(round + 1) of \(rounds), \(load.name), \(contestant.name)")
                    do {
                        let measurement = try Measurement(
                            contestant, videos[load]!, warmUp: warmUp, in: place + "/site", verifies: round == 0)
                        report.measurements[contestant.name, default: [:]][load, default: []].append(measurement)
                    } catch {
                        progress("\(contestant.name) failed: \(error)")
                        report.failures.append((contestant.name, load.name))
                        if contestant is Intake { throw ExitCode(1) }
                    }
                }
            }
        }
        report.contestants = present.map { ($0.name, $0.promise) }
        report.md5 = try Limits.md5BytesPerSecond(seconds: quick ? 1 : 3)
        if lookups {
            report.lookups = try Lookups.measure(
                present.compactMap { $0 as? any LookupContestant }, videos[loads[0]]![0], in: place + "/site",
                rounds: rounds, seconds: quick ? 1 : 4)
        }
        progress("instructions of a question and of a chunk")
        report.instructions = (
            try Instructions.perLookup(in: place + "/site"), try Instructions.perChunk(in: place + "/site")
        )
        print(report.text)
        if let chart { try Data(report.chart.svg.utf8).write(to: URL(fileURLWithPath: chart)) }
    }
}

/// Says on standard error what goes on.
func progress(_ line: String) {
    FileHandle.standardError.write(Data("\(line)\n".utf8))
}

/// Everything that can be compared, in the order of the tables.
let allContestants: [any Contestant] = [
    Intake.handOff, Intake.stream, Intake.power, SpoolFloor(), PHPOriginal(), WebDAV(), Copyparty.up2k, Copyparty.put,
    Tus.parts, Tus.whole, SeaweedFS.put, SeaweedFS.tus,
]
