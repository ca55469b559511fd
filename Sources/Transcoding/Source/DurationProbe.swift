import System

/// How long a video is, from ffprobe, within limits that keep a hostile file from costing more than a usual one.
package enum DurationProbe {
    package enum Result: Equatable, Sendable {
        /// To the millisecond.
        case seconds(Double)
        /// ffprobe cannot tell, or ran into a limit that another attempt runs into as well.
        case unknown
        /// The time on the wall was over, which a busy machine can be the cause of.
        case timeLimit
    }

    /// Bytes of memory of one ffprobe.
    ///
    /// Of ffmpeg 5.1 of Debian 12 it takes 40 MiB to start, and its index 24 bytes for each picture and each piece of
    /// sound: 12 hours with 60 pictures a second take 180 MiB with all of it. What does not fit is left out of the index,
    /// and the duration is told all the same.
    package static let memory = 160 << 20
    /// Seconds of a processor. Those 12 hours take 0.7.
    private static let processorTime = 3

    /// Runs ffprobe on this thread.
    ///
    /// - Parameters:
    ///   - seconds: on the wall.
    ///   - niceness: 19 for what may wait.
    /// - Throws: if ffprobe cannot be started.
    package static func run(
        _ source: SourceFile, within seconds: Double, niceness: Int = 0
    ) throws(SystemError) -> Result {
        var sandbox = sandbox
        sandbox.limits.niceness = niceness
        sandbox.paths.append(Sandbox.Path(source.path, .read))
        let command =
            ["ffprobe", "-v", "quiet", "-show_entries", "format=duration", "-of", "default=noprint_wrappers=1:nokey=1"]
            + source.arguments(sideLimit: TranscodingLimits().side)
        var output: [UInt8] = []
        let outcome = try ChildProcess(command, in: "/", sandbox)
            .wait(until: .now + .seconds(seconds), outputLimit: 4096) { output += $0 }.outcome
        if outcome == .timeLimit { return .timeLimit }
        guard let line = String(decoding: output, as: UTF8.self).split(separator: "\n").first,
            let seconds = Double(line), seconds.isFinite, seconds >= 0
        else { return .unknown }
        return .seconds((seconds * 1000).rounded() / 1000)
    }

    /// Starts ffprobe as it is started for a video.
    ///
    /// - Returns: `nil` if it works, else the last line that it writes.
    package static func complaint() throws(SystemError) -> String? {
        var output: [UInt8] = []
        let (_, complaints) = try ChildProcess(["ffprobe", "-version"], in: "/", sandbox)
            .wait(until: .now + .seconds(20), outputLimit: 65_536) { output += $0 }
        if String(decoding: output, as: UTF8.self).hasPrefix("ffprobe version") { return nil }
        return complaints.split(separator: "\n").last.map(String.init) ?? "no answer"
    }

    private static var sandbox: Sandbox {
        var sandbox = Sandbox()
        sandbox.limits.data = memory
        // What it maps of its libraries, 300 MiB, is no memory of its own.
        sandbox.limits.addressSpace = 1 << 30
        sandbox.limits.processorTime = processorTime
        sandbox.limits.fileSize = 0
        sandbox.limits.openFiles = 32
        return sandbox
    }
}
