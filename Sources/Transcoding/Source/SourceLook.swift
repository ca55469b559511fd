/// What one look at all packets of a file tells: of which tracks a video is made, when each picture is shown, and what it
/// costs. Nothing is decoded; what headers announce is a hint.
struct SourceLook {
    /// Of the chosen tracks; its duration is that of the time line.
    let information: MediaInformation
    /// The numbers of the chosen streams in the file.
    let picture: Int
    let sound: Int?
    let timeline: Timeline
    let cadence: Cadence
    let interlacing: Interlacing
    let cost: TranscodingCost
    private let pictures: TrackPackets
    private let sounds: TrackPackets?

    /// Seconds that it plays.
    var duration: Double { timeline.duration }
    /// Pictures of what is encoded.
    var pictureCount: Int { max(1, Int((duration * cadence.rate).rounded())) }
}

// MARK: - What may be copied

extension SourceLook {
    /// Seconds that a picture may stand still, a sound be missing, and one end before the other, in what is copied.
    private static let longestGap = 0.5
    private static let longestSilence = 0.2
    private static let tolerance = 0.2

    /// Whether the packets of the picture can go into another container as they are: nothing changes in them, none is
    /// missing, and they fill the time line.
    var hasWholePicture: Bool {
        pictures.isSteady && pictures.packetsBeforeKey == 0 && pictures.longestGap <= Self.longestGap
            && fills(timeline.picture) && !information.video.isWide && interlacing == .none
    }

    /// The same of the sound.
    var hasWholeSound: Bool {
        guard let sounds, let sound = timeline.sound else { return false }
        return sounds.isSteady && sounds.longestGap <= Self.longestSilence && fills(sound)
    }

    private func fills(_ track: Timeline.Track) -> Bool {
        !timeline.isRepaired && track.start <= Self.tolerance / 2 && abs(track.end - duration) <= Self.tolerance
    }
}

extension TrackPackets {
    /// Whether all of its packets are shown, one after the other, with the same parameters.
    fileprivate var isSteady: Bool {
        runs.count == 1 && !hasTooManyRuns && withoutTime == 0 && cutOff == 0 && corrupt == 0 && changes == 0
    }
}

// MARK: - Looking

extension SourceLook {
    /// Streams that are looked at. A file can have thousands.
    private static let mostStreams = 64

    /// Looks at a file with ffprobe, twice: at its streams, and at their packets.
    ///
    /// It ends as soon as the pictures cost more than they may: a file whose index names more packets than it has bytes is
    /// not read to its end.
    /// - Throws: what `isOfFile` if there is nothing to make a video of, or if it costs more than it may.
    static func of(_ source: SourceFile, bytes: Int, _ tools: ToolRunner) throws(TranscodingError) -> SourceLook {
        let limits = tools.limits
        let report = try MediaInformation.report(of: source, tools)
        var streams: [Int: ProbeReport.Stream] = [:]
        for (place, stream) in report.streams.enumerated().prefix(mostStreams) {
            guard stream.codec_type == "video" || stream.codec_type == "audio" else { continue }
            streams[stream.index ?? place] = stream
        }
        guard streams.values.contains(where: { $0.codec_type == "video" }) else {
            throw TranscodingError(.noPicture, "there is no picture in the file")
        }
        let tracks = try packets(of: source, streams, bytes: bytes, tools)
        let choice = TrackChoice(
            streams.keys.sorted().map { TrackChoice.Candidate($0, streams[$0]!, tracks[$0] ?? TrackPackets()) })
        guard let picture = choice.picture, let pictures = tracks[picture] else {
            throw refusal(streams, tracks)
        }
        let sounds = choice.sound.flatMap { tracks[$0] }
        guard let timeline = Timeline(picture: pictures, sound: sounds) else {
            throw TranscodingError(.noPicture, "no picture of the file is shown")
        }
        let stream = streams[picture]!
        var information = try MediaInformation(
            report: report, picture: stream, sound: choice.sound.flatMap { streams[$0] }, sideLimit: limits.side)
        information.duration = timeline.duration
        var cost = TranscodingCost(size: information.video.codedSize, bytes: bytes)
        cost.count(pictures)
        try cost.check(limits)
        // One picture under a sound needs few.
        let isStill = pictures.count == 1 && timeline.duration > 1
        let cadence =
            isStill ? Cadence.least : Cadence(intervals: pictures.intervals, announced: stream.frameRate)
        let interlacing = try Interlacing.of(
            source, picture: picture, height: information.video.codedSize.height, duration: timeline.duration, tools)
        return SourceLook(
            information: information, picture: picture, sound: information.audio == nil ? nil : choice.sound,
            timeline: timeline, cadence: cadence, interlacing: interlacing, cost: cost, pictures: pictures, sounds: sounds)
    }

    /// Reads all packets, without decoding them.
    private static func packets(
        of source: SourceFile, _ streams: [Int: ProbeReport.Stream], bytes: Int, _ tools: ToolRunner
    ) throws(TranscodingError) -> [Int: TrackPackets] {
        let limits = tools.limits
        var tracks = streams.mapValues { _ in TrackPackets() }
        var reader = PacketReader()
        var position = 0
        func take(_ packet: Packet) {
            tracks[packet.stream]?.take(packet, position: position)
            position += 1
        }
        /// Of all pictures together.
        func costs() -> [TranscodingCost] {
            streams.compactMap { number, stream in
                guard stream.codec_type == "video", let size = stream.codedSize, let track = tracks[number] else {
                    return nil
                }
                var cost = TranscodingCost(size: size, bytes: bytes)
                cost.count(track)
                return cost
            }
        }
        do throws(TranscodingError) {
            try tools.run(
                ["ffprobe", "-v", "error", "-show_entries", PacketReader.entries, "-of", "csv=p=0"]
                    + source.arguments(sideLimit: limits.side),
                within: limits.readingTime(bytes), otherwise: .unsupported
            ) { piece in
                reader.read(piece, take)
                if costs().reduce(0, { $0 + $1.decoding }) > limits.decoding {
                    tools.watch.stop(because: "it is too much")
                }
            }
        } catch {
            for cost in costs() { try cost.check(limits) }
            throw error
        }
        reader.finish(take)
        for cost in costs() { try cost.check(limits) }
        return tracks.mapValues { track in
            var track = track
            track.finish()
            return track
        }
    }

    /// Why no picture can be taken.
    private static func refusal(
        _ streams: [Int: ProbeReport.Stream], _ tracks: [Int: TrackPackets]
    ) -> TranscodingError {
        let pictures = streams.filter { $0.value.codec_type == "video" && $0.value.disposition?.attached_pic != 1 }
        if pictures.isEmpty { return TranscodingError(.noPicture, "there is no picture in the file") }
        if pictures.keys.contains(where: { tracks[$0]?.encrypted ?? 0 > 0 }) {
            return TranscodingError(.encrypted, "it is encrypted")
        }
        if pictures.keys.allSatisfy({ tracks[$0]?.count ?? 0 == 0 }) {
            return TranscodingError(.noPicture, "its picture track is empty")
        }
        return TranscodingError(.unknownCodec, "the picture cannot be decoded")
    }
}

extension TranscodingCost {
    /// Counts the packets of a track of pictures.
    fileprivate mutating func count(_ track: TrackPackets) {
        (pictures, keyPictures, pictureBytes) = (track.count, track.keyCount, track.size)
    }
}

extension TrackChoice.Candidate {
    init(_ number: Int, _ stream: ProbeReport.Stream, _ packets: TrackPackets) {
        let isPicture = stream.codec_type == "video"
        self.init(number: number, kind: isPicture ? .picture : .sound)
        if isPicture {
            codec = stream.pix_fmt == nil ? nil : stream.knownCodec
            extent = stream.codedSize?.pixels ?? 0
        } else {
            codec = stream.sample_rate.flatMap { Int($0) } ?? 0 > 0 ? stream.knownCodec : nil
            extent = stream.channels ?? 0
        }
        self.packets = packets.runs.isEmpty ? 0 : packets.count
        encrypted = packets.encrypted
        duration = packets.runs.reduce(0) { $0 + max(0, $1.end - $1.start) }
        let marks = stream.disposition
        isDefault = marks?.default == 1
        isSpecial =
            [marks?.dub, marks?.comment, marks?.hearing_impaired, marks?.visual_impaired].contains(1)
        isCover = marks?.attached_pic == 1 || marks?.timed_thumbnails == 1
    }
}
