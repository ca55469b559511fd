import ChunkStore
import Foundation
import TestSupport

/// determine_video_exist, asked by wrk.
enum Lookups {
    static let clients = [1, 16, 256]

    /// What one run of wrk says.
    struct Measurement: Sendable {
        let requestsPerSecond: Double
        /// Seconds that one request in a hundred exceeded.
        let p99: Double
        /// Seconds of the slowest request.
        let slowest: Double
    }

    /// Asks for a video that each contestant was given before.
    static func measure(
        _ contestants: [any LookupContestant], _ video: SampleVideo, in directory: String, rounds: Int, seconds: Int
    ) throws -> [String: [Int: [Measurement]]] {
        var result: [String: [Int: [Measurement]]] = [:]
        for round in 0..<rounds {
            for contestant in contestants {
                progress("round \(round + 1) of \(rounds), determine_video_exist, \(contestant.name)")
                try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
                defer { try? FileManager.default.removeItem(atPath: directory) }
                let running = try contestant.start(in: directory)
                defer { running.stop() }
                try contestant.prepare(video)
                try contestant.upload(Client(video, port: running.port, connections: Load.connections))
                for clients in clients {
                    let figures = try ask(running.port, video.md5, clients, seconds, in: directory)
                    result[contestant.name, default: [:]][clients, default: []].append(figures)
                }
            }
        }
        return result
    }

    private static func ask(
        _ port: UInt16, _ md5: String, _ clients: Int, _ seconds: Int, in directory: String
    ) throws -> Measurement {
        let script = """
            wrk.method = "POST"
            wrk.body = "md5=\(md5)&type=1"
            wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
            local wrong = 0
            function response(status, headers, body)
                if status ~= 200 or not string.find(body, '{"code":1,', 1, true) then wrong = wrong + 1 end
            end
            -- Each thread has a state of its own.
            local threads = {}
            function setup(thread) table.insert(threads, thread) end
            function done(summary, latency, requests)
                io.write(string.format("figures %f %f %f\\n", summary.requests / summary.duration * 1e6,
                    latency:percentile(99) / 1e6, latency.max / 1e6))
                local e = summary.errors
                io.write(string.format("errors %d\\n", e.connect + e.read + e.write + e.status + e.timeout))
            end
            """
        let path = directory + "/lookup.lua"
        try Data(script.utf8).write(to: URL(fileURLWithPath: path))
        let run = try ChildProcess.run(
            "wrk",
            [
                "--threads", "1", "--connections", "\(clients)", "--duration", "\(seconds)s", "--timeout", "10s",
                "--script", path, "http://127.0.0.1:\(port)/service/upload/determine_video_exist",
            ])
        let lines = run.output.split(separator: "\n").map { $0.split(separator: " ") }
        let figures = lines.first { $0.first == "figures" }?.dropFirst().compactMap { Double($0) } ?? []
        guard figures.count == 3, lines.contains(["errors", "0"]) else {
            throw BenchmarkError("wrk: \(run.output) \(run.errors)")
        }
        return Measurement(requestsPerSecond: figures[0], p99: figures[1], slowest: figures[2])
    }
}
