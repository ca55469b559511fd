import Foundation
import Glibc
import TestSupport

/// What is uploaded at once.
struct Load: Hashable, Sendable {
    /// How many videos.
    var videos = 1
    /// Bytes of each.
    let size: Int
    /// For each video.
    static let connections = 3

    var bytes: Int { videos * size }

    var name: String {
        let size = size >= 1 << 30 ? "\(size >> 30) GiB" : "\(size >> 20) MiB"
        return videos == 1 ? size : "\(videos) × \(size)"
    }
}

/// What one run of one contestant with one load took.
struct Measurement: Sendable {
    /// From the first byte sent to the last reply.
    let seconds: Double
    /// The longest of the last requests that brought a part, one for each connection: the completing one is among them.
    let completing: Double
    /// Seconds of each request that brought a part, in increasing order.
    let parts: [Double]
    /// CPU seconds of nginx.
    let nginxCPU: Double
    /// CPU seconds of everything behind nginx.
    let backendCPU: Double
    /// CPU seconds of the load generator.
    let clientCPU: Double
    /// Bytes of anonymous memory of everything behind nginx, at most.
    let memory: Int

    /// Uploads the videos, each over connections of its own, to a contestant that is started for it.
    ///
    /// - Parameters:
    ///   - warmUp: a small video that is uploaded before: a server in use has done everything once.
    ///   - verifies: whether the stored bytes are compared afterwards, where it is one video.
    init(
        _ contestant: any Contestant, _ videos: [SampleVideo], warmUp: SampleVideo, in directory: String, verifies: Bool
    ) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let running = try contestant.start(in: directory)
        defer { running.stop() }
        try inParallel(videos.count) { try contestant.prepare(videos[$0]) }
        try contestant.prepare(warmUp)
        try contestant.upload(Client(warmUp, port: running.port, connections: Load.connections))
        let (nginx, backends) = (running.nginx.map(\.id), running.backends.map(\.id))
        // What others have left to be written must not be this contestant's burden.
        sync()

        let watch = MemoryWatch(backends)
        let before = (Usage.cpuSeconds(nginx), Usage.cpuSeconds(backends), Usage.ownCPUSeconds)
        let clients = videos.map { Client($0, port: running.port, connections: Load.connections) }
        let start = ContinuousClock.now
        let result = Result { try inParallel(clients.count) { try contestant.upload(clients[$0]) } }
        seconds = (ContinuousClock.now - start).seconds
        Usage.settle(backends)
        nginxCPU = Usage.cpuSeconds(nginx) - before.0
        backendCPU = Usage.cpuSeconds(backends) - before.1
        clientCPU = Usage.ownCPUSeconds - before.2
        memory = watch.stop()
        do { try result.get() } catch {
            let logs = (try? FileManager.default.contentsOfDirectory(atPath: directory + "/log")) ?? []
            let ends = logs.map { "\($0): \(textOfFile("\(directory)/log/\($0)").suffix(500))" }
            throw BenchmarkError("\(error)\n\(ends.joined(separator: "\n"))")
        }

        let samples = clients.map { $0.samples.filter(\.isPart) }
        parts = samples.joined().map(\.duration.seconds).sorted()
        completing = samples.flatMap { $0.suffix(Load.connections) }.map(\.duration.seconds).max() ?? 0
        if verifies, videos.count == 1, let storage = contestant.storage {
            try Self.verify(videos[0], below: "\(directory)/\(storage)")
        }
    }

    private static func verify(_ video: SampleVideo, below directory: String) throws {
        let files = FileManager.default.enumerator(atPath: directory)?.compactMap { $0 as? String } ?? []
        for file in files.map({ "\(directory)/\($0)" }) {
            let attributes = try FileManager.default.attributesOfItem(atPath: file)
            guard attributes[.type] as? FileAttributeType == .typeRegular, attributes[.size] as? Int == video.size
            else {
                continue
            }
            if try ChildProcess.run("md5sum", [file]).output.hasPrefix(video.md5) { return }
        }
        throw BenchmarkError("no file below \(directory) has the bytes that were sent")
    }
}

extension Duration {
    var seconds: Double { self / .seconds(1) }
}

extension Collection<Double> {
    /// The value in the middle, or the mean of the two there; 0 if there is none.
    var median: Double {
        let sorted = sorted()
        guard !sorted.isEmpty else { return 0 }
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }

    func quantile(_ share: Double) -> Double {
        let sorted = sorted()
        return sorted.isEmpty ? 0 : sorted[Swift.min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }
}
