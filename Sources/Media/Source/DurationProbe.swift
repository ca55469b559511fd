import System

/// How long a video plays, from ffprobe, within limits that keep a hostile file from costing more than a usual one.
/// What the file announces is a hint. The packets of the tracks that a video is made of tell when the last one of them ends,
/// as they tell the worker.
package enum DurationProbe {
    package enum Result: Equatable, Sendable {
        /// To the millisecond.
        case seconds(Double)
        /// ffprobe cannot tell, or ran into a limit that another attempt runs into as well.
        case unknown
        /// The time on the wall was over, which a busy machine can be the cause of; and what the file announces, if it got
        /// as far as that.
        case timeLimit(announced: Double?)
    }

    /// Bytes of memory of one ffprobe.
    ///
    /// Of ffmpeg 5.1 of Debian 12 it takes 40 MiB to start, and its index 24 bytes for each picture and each piece of
    /// sound: 12 hours with 60 pictures a second take 180 MiB with all of it. What does not fit is left out of the index,
    /// and the duration is told all the same.
    package static let memory = 160 << 20
    /// Seconds of a processor for looking at the streams. Those 12 hours take 0.7.
    private static let processorTime = 3
    /// The same for the packets, and the bytes that it may tell of them. An hour with 60 pictures a second takes 3 s and 18 MB.
    /// A file with more than that has the length that it announces.
    private static let packetsTime = 10
    package static let packetsLimit = 80 << 20
    /// The most bytes that are read about the packets of a file of this size. A packet of speech has 40, about which less than 60
    /// are told: an index of a few bytes that names millions of packets must not keep the probes of others waiting.
    static func mostTold(of bytes: Int) -> Int { (256 << 10) + 20 * bytes }

    /// Runs ffprobe on this thread, once for the streams and once for their packets.
    /// - Parameters:
    ///   - seconds: on the wall, for both.
    ///   - niceness: 19 for what may wait.
    ///   - packetsLimit: bytes that ffprobe may tell of packets.
    /// - Throws: if ffprobe cannot be started.
    package static func run(
        _ source: SourceFile, within seconds: Double, niceness: Int = 0, packetsLimit: Int = packetsLimit
    ) throws(SystemError) -> Result {
        let deadline = ContinuousClock.now + .seconds(seconds)
        var source = source
        func report() throws(SystemError) -> (ProbeReport?, ChildProcess.Outcome) {
            var text: [UInt8] = []
            let looked = try look(
                source, .report, processorTime, niceness, until: deadline, outputLimit: FFprobe.reportLimit
            ) { text += $0 }
            guard case .ended(.exit(0)) = looked else { return (nil, looked) }
            return (try? ProbeReport(text), looked)
        }
        let bytes = (try? source.length()) ?? 0
        var (found, looked) = try report()
        // Neither its tracks nor its packets tell more than what it announces.
        let isBomb = found?.isBomb(bytes) == true
        if !isBomb, found?.isIncomplete(source.format) == true {
            source.searchesLonger = true
            (found, looked) = try report()
        }
        if looked == .timeLimit { return .timeLimit(announced: nil) }
        guard let report = found else { return .unknown }
        let announced = report.format?.duration.flatMap(Double.init).flatMap { $0.isFinite && $0 >= 0 ? $0 : nil }

        if isBomb { return announced.map { .seconds($0.roundedToMilliseconds) } ?? .unknown }

        let streams = report.tracks
        var packets = FilePackets(streams)
        let read = try look(
            source, .packets(), packetsTime, niceness, until: deadline,
            outputLimit: min(packetsLimit, mostTold(of: bytes))
        ) { packets.read($0) }
        if read == .timeLimit { return .timeLimit(announced: announced?.roundedToMilliseconds) }
        // What was read before an end by a limit is a part of the file, and not how long it is.
        if case .ended(.exit) = read {
            packets.finish()
            if let seconds = length(report, streams, packets.tracks) { return .seconds(seconds.roundedToMilliseconds) }
        }
        return announced.map { .seconds($0.roundedToMilliseconds) } ?? .unknown
    }

    /// How long the tracks play that a video is made of, or the sound where there is no picture; `nil` if none plays.
    private static func length(
        _ report: ProbeReport, _ streams: [Int: ProbeReport.Stream], _ tracks: [Int: TrackPackets]
    ) -> Double? {
        let choice = TrackChoice(report, streams, tracks)
        let sound = choice.sound.flatMap { tracks[$0] }
        let timeline =
            if let number = choice.picture, let picture = tracks[number] {
                Timeline(picture: picture, sound: sound, announced: streams[number]?.frameRate)
            } else {
                sound.flatMap {
                    Timeline(picture: $0, sound: nil, announced: $0.playing > 0 ? Double($0.shown) / $0.playing : nil)
                }
            }
        return timeline.flatMap { $0.duration > 0 ? $0.duration : nil }
    }

    /// Runs ffprobe once.
    private static func look(
        _ source: SourceFile, _ question: FFprobe, _ processorTime: Int, _ niceness: Int,
        until deadline: ContinuousClock.Instant, outputLimit: Int, receive: (UnsafeRawBufferPointer) -> Void
    ) throws(SystemError) -> ChildProcess.Outcome {
        var sandbox = sandbox
        sandbox.limits.niceness = niceness
        sandbox.limits.processorTime = processorTime
        sandbox.paths.append(Sandbox.Path(source.path, .read))
        let command = question.quiet.command(source, sideLimit: TranscodingLimits().side)
        return try ChildProcess(command, in: "/", sandbox)
            .wait(until: deadline, outputLimit: outputLimit, receive: receive).outcome
    }

    /// Starts ffprobe as it is started for a video. Returns `nil` if it works, else the last line that it writes.
    package static func complaint() throws(SystemError) -> String? {
        var output: [UInt8] = []
        let (_, complaints) = try ChildProcess(FFprobe.version, in: "/", sandbox)
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
