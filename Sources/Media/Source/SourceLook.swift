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
}

// MARK: - What the demuxer loses

extension SourceLook {
    /// Whether the demuxer discards packets that nothing else has. A decoder does not show them; copying them makes
    /// them usual ones.
    var losesPackets: Bool { pictures.lostAtRestart > 0 || sounds?.lostAtRestart ?? 0 > 0 }

    /// Whether its packets can be copied one by one to the times they have here.
    var isCountable: Bool {
        [pictures, sounds].compactMap { $0 }.allSatisfy {
            !$0.hasTooManyRuns && $0.withoutTime == 0 && $0.cutOff == 0 && $0.changes == 0
        }
    }

    /// The same with what only the uploaded file tells.
    func told(by original: SourceLook) -> SourceLook {
        var look = self
        look.isCutOff = look.isCutOff || original.isCutOff
        look.losesTrack = look.losesTrack || original.losesTrack
        look.encryptedCount = original.encryptedCount
        (look.announced, look.trackCount) = (original.announced, original.trackCount)
        return look
    }
}

// MARK: - Looking

extension SourceLook {
    /// Looks at a file with ffprobe, twice: at its streams, and at their packets. Some pictures are decoded, for combs.
    ///
    /// It ends as soon as the pictures cost more than they may: a file whose index names more packets than it has bytes is
    /// not read to its end.
    /// - Throws: what `isOfFile` if there is nothing to make a video of, or if it costs more than it may.
    static func of(_ source: SourceFile, bytes: Int, _ tools: ToolRunner) throws(TranscodingError) -> SourceLook {
        do throws(TranscodingError) {
            return try look(at: source, bytes: bytes, tools)
        } catch  where error.code == .unsupported || error.code == .noPicture {
            if try ContainerEnd.isIndexMissing(in: source) {
                throw TranscodingError(.noIndex, "its index is missing", output: error.output)
            }
            if error.code == .unsupported, let look = try openable(source, bytes: bytes, tools) { return look }
            throw error
        }
    }

    /// Looks at a copy without the sound at whose decoder ffprobe ends, or without any.
    ///
    /// - Returns: `nil` if it ends at something else.
    private static func openable(
        _ source: SourceFile, bytes: Int, _ tools: ToolRunner
    ) throws(TranscodingError) -> SourceLook? {
        guard source.path == tools.source, let left = try MediaInformation.unopenable(in: source, tools) else {
            return nil
        }
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

    private static func look(
        at source: SourceFile, bytes: Int, _ tools: ToolRunner
    ) throws(TranscodingError) -> SourceLook {
        let limits = tools.limits
        var source = source
        let program = try RenumberedStream.program(of: source, tools)
        if program.isRenumbered { source = try RenumberedStream.make(of: source, tools) }
        var report = try MediaInformation.report(of: source, tools)
        if report.isIncomplete(source.format) {
            source.searchesLonger = true
            report = try MediaInformation.report(of: source, tools)
        }
        let streams = report.tracks
        guard streams.values.contains(where: { $0.codec_type == "video" }) else {
            throw TranscodingError(.noPicture, "there is no picture in the file")
        }
        let (tracks, complaints) = try packets(of: source, streams, bytes: bytes, tools)
        let choice = TrackChoice(report, streams, tracks)
        guard let picture = choice.picture, let pictures = tracks[picture] else {
            if try TransportScrambling.isThere(in: source) { throw TranscodingError(.encrypted, "it is scrambled") }
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
        let isMissing = try ContainerEnd.isMissing(in: source)
        let isCutOff = isMissing || ContainerEnd.isMissing(by: complaints)
        if isCutOff,
            let copy = try tracksApart(of: source, streams, picture: picture, sound: choice.sound, tracks, cost, tools)
        {
            var look = try of(copy, bytes: bytes, tools)
            (look.isCutOff, look.announced, look.trackCount) = (true, announced, streams.count)
            return look
        }
        // One picture under a sound needs few.
        let isStill = pictures.count == 1 && timeline.duration > 1
        let cadence =
            isStill ? Cadence.least : Cadence(intervals: pictures.intervals, announced: stream.frameRate)
        information.duration = max(timeline.duration, 1 / cadence.rate).roundedToMilliseconds
        // Most moves there. A clock that jumps does not tell where that is.
        let place = timeline.isRepaired ? nil : pictures.liveliest.map { $0 + timeline.zero }
        let interlacing = try Interlacing.of(
            source, picture: picture, height: information.video.codedSize.height, duration: timeline.duration,
            at: stream.field_order == "progressive" ? place : nil, tools)
        func encrypted(_ kind: String, scrambled: Int) -> Int {
            max(
                scrambled, streams.count { $1.codec_type == kind && ($1.isEncrypted || tracks[$0]?.encrypted ?? 0 > 0) }
            )
        }
        let encryptedSounds = encrypted("audio", scrambled: program.scrambledSounds)
        let losesSound = choice.sound == nil && encryptedSounds > 0
        let changesCodec = try TagCodecs.change(in: source)
        return SourceLook(
            source: source, information: information, picture: picture,
            sound: information.audio == nil ? nil : choice.sound,
            timeline: timeline, cadence: cadence, interlacing: interlacing, cost: cost, isCutOff: isCutOff,
            losesTrack: program.losesTrack || changesCodec || losesSound,
            encryptedCount: encryptedSounds + encrypted("video", scrambled: program.scrambledPictures),
            announced: announced, trackCount: streams.count,
            pictures: pictures, sounds: sounds)
    }

    /// Seconds that a track has to have more by itself.
    private static let leastMore = 1.0

    /// Makes a copy of a file that is cut off, if by itself one of its tracks has more: read together they end where the first
    /// one does, and of a file that has all of one before the other that is where the other one is cut.
    ///
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
    ///
    /// - Parameter only: the number of the stream whose packets are read; all, if `nil`.
    private static func packets(
        of source: SourceFile, _ streams: [Int: ProbeReport.Stream], only: Int? = nil, bytes: Int, _ tools: ToolRunner
    ) throws(TranscodingError) -> (tracks: [Int: TrackPackets], complaints: String) {
        let limits = tools.limits
        let complaints: String
        var packets = FilePackets(streams)
        var reader = PacketReader()
        func take(_ packet: Packet) { packets.take(packet) }
        /// Of all pictures together.
        func costs() -> [TranscodingCost] {
            streams.compactMap { number, stream in
                guard stream.codec_type == "video", let size = stream.codedSize, let track = packets.tracks[number]
                else {
                    return nil
                }
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
        packets.finish()
        return (packets.tracks, complaints)
    }

    /// Why no picture can be taken.
    private static func refusal(
        _ streams: [Int: ProbeReport.Stream], _ tracks: [Int: TrackPackets]
    ) -> TranscodingError {
        let pictures = streams.filter { $0.value.codec_type == "video" && $0.value.disposition?.attached_pic != 1 }
        if pictures.isEmpty { return TranscodingError(.noPicture, "there is no picture in the file") }
        if pictures.contains(where: { $1.isEncrypted || tracks[$0]?.encrypted ?? 0 > 0 }) {
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

extension TrackChoice {
    /// Chooses by what ffprobe tells of a file's streams and their packets.
    init(_ report: ProbeReport, _ streams: [Int: ProbeReport.Stream], _ packets: [Int: TrackPackets]) {
        var programs: [Int: Set<Int>] = [:]
        for program in report.programs ?? [] {
            guard let id = program.program_id else { continue }
            for number in (program.streams ?? []).compactMap(\.index) { programs[number, default: []].insert(id) }
        }
        self.init(
            streams.sorted { $0.key < $1.key }.map { number, stream in
                var candidate = Candidate(number, stream, packets[number] ?? TrackPackets())
                candidate.programs = programs[number] ?? []
                return candidate
            })
    }
}

extension TrackChoice.Candidate {
    fileprivate init(_ number: Int, _ stream: ProbeReport.Stream, _ packets: TrackPackets) {
        let isPicture = stream.codec_type == "video"
        self.init(number: number, kind: isPicture ? .picture : .sound)
        if isPicture {
            codec = stream.pix_fmt == nil ? nil : stream.knownCodec
            extent = stream.codedSize?.pixels ?? 0
        } else {
            // What has no decoder has no format of samples.
            let hasRate = stream.sample_rate.flatMap { Int($0) } ?? 0 > 0
            codec = hasRate && stream.sample_fmt ?? "unknown" != "unknown" ? stream.knownCodec : nil
            extent = stream.channels ?? 0
        }
        self.packets = packets.runs.isEmpty ? 0 : packets.count
        encrypted = stream.isEncrypted ? packets.count : packets.encrypted
        duration = packets.runs.reduce(0) { $0 + max(0, $1.end - $1.start) }
        let marks = stream.disposition
        isDefault = marks?.default == 1
        isSpecial =
            [marks?.dub, marks?.comment, marks?.hearing_impaired, marks?.visual_impaired].contains(1)
        isCover = marks?.attached_pic == 1 || marks?.timed_thumbnails == 1
    }
}
