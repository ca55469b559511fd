import Foundation
import Model

/// What one look at all packets of a file tells: of which tracks a video is made, when each picture is shown, and what it
/// costs. Nothing is decoded; what headers announce is a hint.
struct SourceLook {
    /// The file, as it has to be read.
    let source: SourceFile
    /// Of the chosen tracks; its duration is that of the time line.
    let information: MediaInformation
    /// The numbers of the chosen streams in the file.
    let picture: Int
    let sound: Int?
    let timeline: Timeline
    let cadence: Cadence
    let interlacing: Interlacing
    let cost: TranscodingCost
    /// Whether something is missing at its end.
    private(set) var isCutOff: Bool
    /// Whether a picture or a sound goes on in another codec, which is not played, or the only sound is encrypted.
    private(set) var losesTrack = false
    /// Tracks of picture and sound that are encrypted.
    private(set) var encryptedCount = 0
    var format: VideoFormat { source.format }
    /// Seconds that the file says it lasts, `nil` if it does not.
    private(set) var announced: Double?
    /// Tracks of picture and sound in the file.
    private(set) var trackCount: Int
    let pictures: TrackPackets
    let sounds: TrackPackets?

    /// Seconds that it plays. Some files do not say how long their only picture lasts.
    var duration: Double { max(timeline.duration, 1 / cadence.rate) }
    /// Seconds that a picture stands still at most.
    var longestStill: Double {
        guard !timeline.isRepaired else { return pictures.longestGap }
        // What is held between the runs of a clock that is believed.
        return zip(pictures.runs, pictures.runs.dropFirst())
            .reduce(pictures.longestGap) { max($0, $1.1.start - $1.0.end) }
    }

    /// Pictures of what is encoded.
    var pictureCount: Int { max(1, Int((duration * cadence.rate).rounded())) }

    // MARK: - What the demuxer loses

    /// Whether the demuxer discards packets that nothing else has. A decoder does not show them; copying them makes
    /// them usual ones.
    var losesPackets: Bool { pictures.lostAtRestart > 0 || sounds?.lostAtRestart ?? 0 > 0 }

    /// Whether its packets can be copied one by one to the times they have here.
    var isCountable: Bool {
        [pictures, sounds].compactMap { $0 }.allSatisfy {
            !$0.hasTooManyRuns && $0.withoutTime == 0 && $0.cutOff == 0 && $0.changes == 0
        }
    }

    /// Looks at a copy whose packets have the times of the time line, of a look that `losesPackets` and `isCountable`.
    /// - Throws: `toolFailed` or `unsupported` if its packets cannot be copied.
    func straightened(_ tools: ToolRunner) throws(TranscodingError) -> SourceLook {
        let copy = try StraightCopy.make(
            of: source, picture: picture, sound: sound, on: timeline, writing: .copied(cost, duration: duration), tools)
        do throws(TranscodingError) {
            var look = try Self.of(copy, bytes: cost.bytes, tools)
            // What only the uploaded file tells.
            look.isCutOff = look.isCutOff || isCutOff
            look.losesTrack = look.losesTrack || losesTrack
            (look.encryptedCount, look.announced, look.trackCount) = (encryptedCount, announced, trackCount)
            return look
        } catch  where error.isOfFile {
            throw error.named(StraightCopy.name, .toolFailed)
        }
    }

    // MARK: - Looking

    /// Looks at a file with ffprobe, twice: at its streams, and at their packets. Some pictures are decoded, for combs.
    ///
    /// It ends as soon as the pictures cost more than they may: a file whose index names more packets than it has bytes is
    /// not read to its end.
    /// - Throws: what `isOfFile` if there is nothing to make a video of, or if it costs more than it may.
    static func of(_ source: SourceFile, bytes: Int, _ tools: ToolRunner) throws(TranscodingError) -> SourceLook {
        do throws(TranscodingError) {
            return try look(at: source, bytes: bytes, tools)
        } catch  where error.code == .unsupported || error.code == .noPicture {
            if try Container.isIndexMissing(in: source) {
                throw TranscodingError(.noIndex, "its index is missing", output: error.output)
            }
            if error.code == .unsupported, let look = try openable(source, bytes: bytes, tools) { return look }
            throw error
        }
    }

    /// Looks at a copy without the sound at whose decoder ffprobe ends, or without any.
    /// - Returns: `nil` if it ends at something else.
    private static func openable(
        _ source: SourceFile, bytes: Int, _ tools: ToolRunner
    ) throws(TranscodingError) -> SourceLook? {
        guard source.path == tools.source, let left = try unopenable(in: source, tools) else { return nil }
        tools.watch.limit += 2 * tools.limits.readingTime(bytes)
        // How many packets there are is not known yet.
        let cost = TranscodingCost(size: PictureSize(width: 1, height: 1), bytes: bytes)
        let size = OutputSize.copied(cost, duration: 3600)
        for keepsSounds in [true, false] {
            do throws(TranscodingError) {
                let copy = try StraightCopy.make(
                    of: source, without: left, keepsSounds: keepsSounds, writing: size, tools)
                var look = try look(at: copy, bytes: bytes, tools)
                look.losesTrack = look.losesTrack || look.sound == nil
                return look
            } catch  where error.code == .toolFailed || error.code == .unsupported {
                try tools.directory.removeFile(StraightCopy.name)
            }
        }
        return nil
    }

    /// The number of the stream at whose decoder ffprobe ends, which it cannot open; `nil` if it ends at none.
    private static func unopenable(in source: SourceFile, _ tools: ToolRunner) throws(TranscodingError) -> Int? {
        do throws(TranscodingError) {
            _ = try tools.ask(.streams, of: source)
            return nil
        } catch  where error.code == .unsupported {
            let start = "Could not open codec for input stream "
            return error.output.split(separator: "\n").last { $0.hasPrefix(start) }
                .flatMap { Int($0.dropFirst(start.count)) }
        }
    }

    private static func look(
        at source: SourceFile, bytes: Int, _ tools: ToolRunner
    ) throws(TranscodingError) -> SourceLook {
        let limits = tools.limits
        var source = source
        let program = try RenumberedStream.program(of: source, tools)
        if program.isRenumbered { source = try RenumberedStream.make(of: source, tools) }
        var report = try ProbeReport(tools.ask(.report, of: source))
        if report.isIncomplete(source.format) {
            source.searchesLonger = true
            report = try ProbeReport(tools.ask(.report, of: source))
        }
        let streams = report.tracks
        guard streams.values.contains(where: { $0.codec_type == "video" }) else {
            throw TranscodingError(.noPicture, "there is no picture in the file")
        }
        let (tracks, complaints) = try packets(of: source, streams, bytes: bytes, tools)
        let choice = TrackChoice(report, streams, tracks)
        guard let picture = choice.picture, let pictures = tracks[picture] else {
            if try Container.isScrambled(source) { throw TranscodingError(.encrypted, "it is scrambled") }
            throw refusal(streams, tracks)
        }
        let sounds = choice.sound.flatMap { tracks[$0] }
        let stream = streams[picture]!
        guard let timeline = Timeline(picture: pictures, sound: sounds, announced: stream.frameRate) else {
            throw TranscodingError(.noPicture, "no picture of the file is shown")
        }
        var information = try MediaInformation(
            report: report, picture: stream, sound: choice.sound.flatMap { streams[$0] }, sideLimit: limits.side)
        let announced = information.duration
        var cost = TranscodingCost(size: information.video.codedSize, bytes: bytes)
        cost.count(pictures)
        try cost.check(limits)
        let isCutOff = try Container.isEndMissing(in: source) || Container.isEndMissing(by: complaints)
        if isCutOff,
            let copy = try tracksApart(of: source, streams, picture: picture, sound: choice.sound, tracks, cost, tools)
        {
            var look = try of(copy, bytes: bytes, tools)
            (look.isCutOff, look.announced, look.trackCount) = (true, announced, streams.count)
            return look
        }
        // One picture under a sound needs few.
        let isStill = pictures.count == 1 && timeline.duration > 1
        let cadence = isStill ? .least : Cadence(intervals: pictures.intervals, announced: stream.frameRate)
        information.duration = max(timeline.duration, 1 / cadence.rate).roundedToMilliseconds
        // Most moves there. A clock that jumps does not tell where that is.
        let place = timeline.isRepaired ? nil : pictures.liveliest.map { $0 + timeline.zero }
        let interlacing = try Interlacing.of(
            source, picture: picture, height: information.video.codedSize.height, duration: timeline.duration,
            at: stream.field_order == "progressive" ? place : nil, tools)
        func encrypted(_ kind: String, scrambled: Int) -> Int {
            let count = streams.count { $1.codec_type == kind && ($1.isEncrypted || tracks[$0]?.encrypted ?? 0 > 0) }
            return max(scrambled, count)
        }
        let encryptedSounds = encrypted("audio", scrambled: program.scrambledSounds)
        let losesSound = choice.sound == nil && encryptedSounds > 0
        let changesCodec = try Container.changesCodec(in: source)
        return SourceLook(
            source: source, information: information, picture: picture,
            sound: information.audio == nil ? nil : choice.sound,
            timeline: timeline, cadence: cadence, interlacing: interlacing, cost: cost, isCutOff: isCutOff,
            losesTrack: program.losesTrack || changesCodec || losesSound,
            encryptedCount: encryptedSounds + encrypted("video", scrambled: program.scrambledPictures),
            announced: announced, trackCount: streams.count, pictures: pictures, sounds: sounds)
    }

    /// Seconds that a track has to have more by itself.
    private static let leastMore = 1.0

    /// Makes a copy of a file that is cut off, if by itself one of its tracks has more: read together they end where the first
    /// one does, and of a file that has all of one before the other that is where the other one is cut.
    /// - Returns: `nil` if there is no more, or if it cannot be copied.
    private static func tracksApart(
        of source: SourceFile, _ streams: [Int: ProbeReport.Stream], picture: Int, sound: Int?,
        _ together: [Int: TrackPackets], _ cost: TranscodingCost, _ tools: ToolRunner
    ) throws(TranscodingError) -> SourceFile? {
        guard source.format == .mp4, source.path == tools.source else { return nil }
        tools.watch.limit += 3 * tools.limits.readingTime(cost.bytes)
        func end(_ packets: TrackPackets?) -> Double { packets?.runs.map(\.end).max() ?? 0 }
        var cost = cost
        var (hasMore, length) = (false, 0.0)
        for number in [picture, sound].compactMap({ $0 }) {
            let alone = try packets(of: source, streams, only: number, bytes: cost.bytes, tools).tracks[number]
            if end(alone) > end(together[number]) + leastMore { hasMore = true }
            length = max(length, end(alone))
            if let alone, number == picture { cost.count(alone) }
        }
        try cost.check(tools.limits)
        guard hasMore else { return nil }
        do throws(TranscodingError) {
            return try StraightCopy.makeApart(
                of: source, picture: picture, sound: sound, writing: .copied(cost, duration: length), tools)
        } catch  where error.code == .toolFailed || error.code == .unsupported {
            try tools.directory.removeFile(StraightCopy.name)
            return nil
        }
    }

    /// Reads all packets, without decoding them. Returns what ffprobe complained of too, the last lines.
    /// - Parameter only: the number of the stream whose packets are read; all, if `nil`.
    private static func packets(
        of source: SourceFile, _ streams: [Int: ProbeReport.Stream], only: Int? = nil, bytes: Int, _ tools: ToolRunner
    ) throws(TranscodingError) -> (tracks: [Int: TrackPackets], complaints: String) {
        let limits = tools.limits
        let complaints: String
        var packets = FilePackets(streams)
        func costs() -> [TranscodingCost] {
            streams.compactMap { number, stream in
                guard stream.codec_type == "video", let size = stream.codedSize, let track = packets.tracks[number]
                else { return nil }
                var cost = TranscodingCost(size: size, bytes: bytes)
                cost.count(track)
                return cost
            }
        }
        do throws(TranscodingError) {
            complaints = try tools.run(
                FFprobe.packets(of: only).command(source, sideLimit: limits.side),
                within: limits.readingTime(bytes), otherwise: .unsupported
            ) { piece in
                packets.read(piece)
                if costs().reduce(0, { $0 + $1.decoding }) > limits.decoding {
                    tools.watch.stop(because: "it is too much")
                }
            }
        } catch {
            for cost in costs() { try cost.check(limits) }
            throw error
        }
        packets.finish()
        for cost in costs() { try cost.check(limits) }
        return (packets.tracks, complaints)
    }

    /// Why no picture can be taken.
    private static func refusal(
        _ streams: [Int: ProbeReport.Stream], _ tracks: [Int: TrackPackets]
    ) -> TranscodingError {
        let pictures = streams.filter { $0.value.codec_type == "video" && $0.value.disposition?["attached_pic"] != 1 }
        if pictures.isEmpty { return TranscodingError(.noPicture, "there is no picture in the file") }
        if pictures.contains(where: { $1.isEncrypted || tracks[$0]?.encrypted ?? 0 > 0 }) {
            return TranscodingError(.encrypted, "it is encrypted")
        }
        if pictures.keys.allSatisfy({ tracks[$0]?.count ?? 0 == 0 }) {
            return TranscodingError(.noPicture, "its picture track is empty")
        }
        return TranscodingError(.unknownCodec, "the picture cannot be decoded")
    }

    // MARK: - What may be copied

    /// Seconds that a picture may stand still, a sound be missing, and one end before the other, in what is copied.
    private static let longestGap = 0.5
    private static let longestSilence = 0.2
    private static let tolerance = 0.2

    /// Why the packets of the picture cannot go into an MP4 as they are; `nil` if they can: players take them, nothing changes
    /// in them, none is missing, and they fill the time line.
    var pictureObstacle: String? {
        let video = information.video
        if !video.isPlayedEverywhere { return "not all players take it" }
        if max(video.codedSize.width, video.codedSize.height) > 4096 || video.level > 52 { return "it is too large" }
        if !format.hasTimestamps { return "its container does not tell when each is shown" }
        if video.isWide { return "its colours are wide" }
        if interlacing != .none { return "it is interlaced" }
        if pictures.packetsBeforeKey > 0 { return "its first key picture is missing" }
        if longestStill > Self.longestGap { return "it stands still" }
        if video.isReordered, !pictures.isReordered { return "its pictures have the times of another order" }
        return pictures.obstacle ?? obstacle(timeline.picture)
    }

    /// The same of the sound.
    var soundObstacle: String? {
        guard let sounds, let sound = timeline.sound else { return "there is none" }
        if information.audio?.codec != "aac" { return "not all players take it" }
        if !format.hasTimestamps { return "its container does not tell when each is heard" }
        if pictures.packetsBeforeKey > 0 { return "it begins before the first key picture" }
        if sounds.longestGap > Self.longestSilence { return "it has gaps" }
        return sounds.obstacle ?? obstacle(sound)
    }

    private func obstacle(_ track: Timeline.Track) -> String? {
        if timeline.isRepaired { return "the clock \(timeline.isCounted ? "stands still" : "jumps")" }
        if track.start > Self.tolerance / 2 { return "it begins later" }
        return abs(track.end - duration) > Self.tolerance ? "it ends sooner" : nil
    }

    // MARK: - For people

    /// Each fact's name and value, in the order in which they are to be shown.
    var facts: [(name: String, value: String)] {
        let video = information.video
        var facts = [("container", format.rawValue), ("length", Self.text(duration) + " s")]
        if let announced { facts.append(("announced length", Self.text(announced) + " s")) }
        facts += [
            (
                "picture",
                "track \(picture), \(video.codec)\(video.profile.isEmpty ? "" : " " + video.profile), \(video.size), "
                    + (video.codedSize == video.size ? "" : "stored as \(video.codedSize), ") + video.pixelFormat
            ),
            ("pictures", "\(pictures.count), \(pictures.keyCount) of them key pictures"),
            ("cadence", "\(cadence) a second; the longest still is \(Self.text(longestStill)) s"),
            ("fields", interlacing.description),
            ("colours", Self.colours(video)),
        ]
        if let sound, let audio = information.audio {
            facts.append(
                ("sound", "track \(sound), \(audio.codec), \(audio.channels) channels, \(audio.sampleRate) a second"))
        } else {
            facts.append(("sound", trackCount > 1 ? "none that can be decoded" : "none"))
        }
        let encrypted = encryptedCount == 0 ? "" : ", \(encryptedCount) of them encrypted"
        facts.append(("tracks", "\(trackCount) of picture and sound\(encrypted)"))
        facts.append(("clock", clock))
        facts.append(("end", isCutOff ? "missing" : "there"))
        facts.append(("picture as it is", pictureObstacle ?? "can be copied"))
        if timeline.sound != nil { facts.append(("sound as it is", soundObstacle ?? "can be copied")) }
        return facts.map { (name: $0.0, value: $0.1) }
    }

    private var clock: String {
        let runs = max(timeline.picture.steps.count, timeline.sound?.steps.count ?? 0)
        if timeline.isCounted { return "stands still" }
        if timeline.isRepaired { return "jumps \(runs - 1) times" }
        return "begins at \(Self.text(-timeline.zero)) s"
    }

    private static func colours(_ video: MediaInformation.Video) -> String {
        let names = [video.transfer, video.primaries].filter { !$0.isEmpty }
        return (names.isEmpty ? "not said" : names.joined(separator: ", ")) + (video.isWide ? ": mapped to BT.709" : "")
    }

    /// Seconds to the millisecond.
    private static func text(_ seconds: Double) -> String { String(format: "%.3f", seconds) }
}

extension TranscodingCost {
    /// Counts the packets of a track of pictures.
    fileprivate mutating func count(_ track: TrackPackets) {
        (pictures, keyPictures, pictureBytes) = (track.count, track.keyCount, track.size)
    }
}

extension TrackPackets {
    /// `nil` if all of its packets are shown, one after the other, with the same parameters.
    fileprivate var obstacle: String? {
        if standsStill { return "its clock stands still" }
        if runs.count != 1 || hasTooManyRuns { return "its clock jumps" }
        if withoutTime > 0 { return "it has packets without a time" }
        if stepsBack > 0 { return "its clock steps back" }
        if cutOff > 0 { return "an edit list cuts some of it off" }
        if corrupt > 0 { return "some of it is missing" }
        return changes > 0 ? "its parameters change" : nil
    }
}

extension MediaInformation.Video {
    /// Whether it is H.264 that every browser decodes.
    var isPlayedEverywhere: Bool {
        codec == "h264" && pixelFormat == "yuv420p" && !isInterlaced
            && ["Constrained Baseline", "Baseline", "Main", "Constrained High", "High"].contains(profile)
    }
}
