/// What the packets of one track tell: how many there are, when they are shown, and where their clock jumps.
/// Bounded in memory, whatever the file is.
struct TrackPackets: Equatable, Sendable {
    /// Packets in a row whose times go on.
    struct Run: Equatable, Sendable {
        /// How its first packet follows the one before.
        enum Beginning: Equatable, Sendable {
            /// It is the track's first.
            case start
            /// The clock has gone back, to 0 or so.
            case back
            /// The clock has gone on by more than a packet lasts.
            case forward
        }

        let beginning: Beginning
        /// The number of its first packet among those of the track.
        let firstPacket: Int
        /// Bytes of the file before its first packet.
        let position: Int
        /// Seconds of the file's clock: when the first packet is shown, and when the last one ends.
        var start: Double
        var end: Double
        /// Seconds by which it went on further, at a jump forward, than the other kind of track, which goes on beside it where it
        /// was: a clock that has jumped. 0 where the other one has ended there, or is near the new time at any of its packets.
        var lead = 0.0
    }

    private(set) var count = 0
    private(set) var keyCount = 0
    /// Bytes.
    private(set) var size = 0
    private(set) var runs: [Run] = []
    /// Whether there were more runs than are kept: its clock says nothing.
    private(set) var hasTooManyRuns = false
    /// When the first packet is shown that can be decoded; `nil` if none can.
    private(set) var firstKey: Double?
    /// Whether a key packet has come that is decoded and not shown: what follows it can be decoded.
    private var hasHiddenKey = false
    /// Packets that are shown before the first one that can be decoded.
    private(set) var packetsBeforeKey = 0
    /// Packets that an edit list cuts off after the first one that is shown.
    private(set) var cutOff = 0
    /// Packets at the beginning of runs that the demuxer discards, though nothing else has what is in them.
    private(set) var lostAtRestart = 0
    private(set) var withoutTime = 0
    /// How often packets are to be decoded before those in front of them.
    private(set) var stepsBack = 0
    /// Whether pictures are shown in another order than they are decoded in.
    private(set) var isReordered = false
    private var lastDecodingTime: Double?
    /// Packets that are shown, and seconds that they last together.
    private(set) var shown = 0
    private(set) var playing = 0.0
    private(set) var corrupt = 0
    private(set) var encrypted = 0
    /// Packets after the first one that bring other parameters.
    private(set) var changes = 0
    /// The longest time from one picture to the next within a run, in seconds.
    private(set) var longestGap = 0.0
    /// How often packets follow each other in so many units of 0.1 ms.
    private(set) var intervals: [Int: Int] = [:]
    /// When the key picture is shown behind which packets have the most bytes: what moves takes more than what stands still.
    /// `nil` if there are few.
    var liveliest: Double? { liveliestScene?.start }

    /// Packets from a key picture on.
    private struct Scene: Equatable, Sendable {
        let start: Double
        var count = 0
        /// Bytes of those behind the key picture.
        var size = 0

        /// Bytes of a packet.
        var liveliness: Double { Double(size) / Double(max(count, 1)) }
    }
    private var scene: Scene?
    private var liveliestScene: Scene?

    /// Discarded packets in a row whose clock has gone back. ffmpeg's demuxer takes the first fragment of an MP4 whose clock
    /// begins again for a repetition of what was before.
    private struct Stretch: Equatable, Sendable {
        let firstPacket: Int
        let position: Int
        var count: Int
        /// Bytes.
        var size: Int
        var start: Double
        var end: Double
        var decoded: Double
    }
    private var stretch: Stretch?
    /// Bytes of the run.
    private var runSize = 0
    /// Seconds by which the track is ahead of the other kind of track, in the order in which the file is read.
    private var ahead: Double?
    /// The same before the run, and the least of it in the run; where the other one was when the run began.
    private var aheadBefore: Double?
    private var leastAhead = 0.0
    private var otherAtBeginning = 0.0
    /// Times that wait for others before them: pictures are shown in another order than they are decoded in.
    private var waiting: [Double] = []
    private var lastShown: Double?
    private var lastDecoded: Double?
    /// Where the run ends if its last packet lasts as long as those before it: before a jump it is said to last up to there.
    private var plainEnd = 0.0
    private var plainDuration = 0.0
    /// Of the last packet that has one.
    private var position = 0

    /// A decoder holds no more than 16 pictures back: ISO/IEC 14496-10, section A.3.1.
    private static let mostWaiting = 17
    private static let mostRuns = 400
    private static let mostIntervals = 4096
    /// Packets of a scene at least.
    private static let fewestOfScene = 15
    /// Packets of the same time from which on a clock is taken for one that stands still.
    private static let fewest = 3
    /// Seconds that a clock may go back and still be the same one: what B-frames, and muxers that round, make.
    static let backTolerance = 0.5
    /// Seconds without a packet from which on the clock is taken for one that has jumped.
    static let forwardTolerance = 10.0

    /// Whether all that is shown has the same time: its clock says nothing, but how many there are does.
    var standsStill: Bool { runs.count == 1 && !hasTooManyRuns && longestGap == 0 && shown >= Self.fewest }

    /// - Parameter other: when the last packet of the other kind of track is decoded that was read, if there was one.
    mutating func take(_ packet: Packet, beside other: Double? = nil) {
        defer { count += 1 }
        let isBehind = packet.position.map { $0 < position } ?? false
        position = max(position, packet.position ?? position)
        if packet.isKey { keyCount += 1 }
        size += packet.size
        if packet.isCorrupt { corrupt += 1 }
        if let decoded = packet.decodingTime {
            if let last = lastDecodingTime, decoded < last { stepsBack += 1 }
            lastDecodingTime = decoded
            if let time = packet.time, time != decoded { isReordered = true }
        }
        if packet.isEncrypted { encrypted += 1 }
        if packet.hasNewParameters && count > 0 { changes += 1 }
        guard let time = packet.time ?? packet.decodingTime else {
            withoutTime += 1
            return
        }
        if packet.isDiscarded {
            if !runs.isEmpty { cutOff += 1 }
            if packet.isKey { hasHiddenKey = true }
            noteDiscarded(time, packet)
            return
        }
        // The last one of a track whose number in a transport stream has changed comes at the end of the file: no clock has
        // gone back.
        if isBehind, let last = lastDecoded, (packet.decodingTime ?? time) < last - Self.backTolerance { return }
        endStretch(before: packet.decodingTime ?? time)
        if firstKey == nil {
            if packet.isKey || hasHiddenKey { firstKey = time } else { packetsBeforeKey += 1 }
        }
        note(time, decoded: packet.decodingTime ?? time, duration: packet.duration)
        noteScene(packet, at: time)
        if let other { compare(packet.decodingTime ?? time, with: other) }
        shown += 1
        playing += packet.duration
        runSize += packet.size
    }

    private mutating func noteScene(_ packet: Packet, at time: Double) {
        if packet.isKey, scene?.count ?? Self.fewestOfScene >= Self.fewestOfScene {
            endScene()
            scene = Scene(start: time)
        } else {
            scene?.count += 1
            scene?.size += packet.size
        }
    }

    private mutating func endScene() {
        guard let scene, scene.count >= Self.fewestOfScene else { return }
        if scene.liveliness > liveliestScene?.liveliness ?? -1 { liveliestScene = scene }
    }

    private mutating func noteDiscarded(_ time: Double, _ packet: Packet) {
        guard let last = lastDecoded else { return }
        let decoded = packet.decodingTime ?? time
        if var known = stretch, decoded >= known.decoded - Self.backTolerance {
            known.count += 1
            known.size += packet.size
            known.start = min(known.start, time)
            known.end = max(known.end, time + packet.duration)
            known.decoded = max(known.decoded, decoded)
            stretch = known
            return
        }
        endStretch(before: nil)
        if decoded < (lastDecoded ?? last) - Self.backTolerance {
            stretch = Stretch(
                firstPacket: count, position: position, count: 1, size: packet.size, start: time,
                end: time + packet.duration, decoded: decoded)
        }
    }

    /// Decides what a stretch is before a packet that is shown, or at the end: a run that begins again, or a repetition.
    /// The next packet of one that begins again goes on from it, and has gone back too. Where it has not, or there is none,
    /// the stretch begins where the run began, and has not the same bytes.
    private mutating func endStretch(before next: Double?) {
        guard let known = stretch, let last = lastDecoded, let run = runs.last else { return }
        stretch = nil
        let goesOn = next.map { abs($0 - known.decoded) <= Self.forwardTolerance } ?? true
        let hasGoneBack = next.map { $0 < last - Self.backTolerance } ?? false
        let isLikeRun =
            abs(known.start - run.start) <= Self.backTolerance && known.end - known.start > Self.backTolerance
            && known.size != runSize && next.map { abs($0 - known.decoded) <= Self.backTolerance } ?? true
        guard goesOn && hasGoneBack || isLikeRun else { return }
        guard runs.count < Self.mostRuns else { return }
        runs[runs.count - 1].end = plainEnd
        drain(to: 0)
        lastShown = nil
        runs.append(
            Run(
                beginning: .back, firstPacket: known.firstPacket, position: known.position, start: known.start,
                end: known.end))
        plainEnd = known.end
        lastDecoded = known.decoded
        runSize = known.size
        cutOff -= known.count
        lostAtRestart += known.count
    }

    private mutating func note(_ time: Double, decoded: Double, duration: Double) {
        guard var run = runs.last, let last = lastDecoded else { return begin(.start, time, decoded, duration) }
        if !hasTooManyRuns, decoded < last - Self.backTolerance {
            runs[runs.count - 1].end = plainEnd
            return begin(.back, time, decoded, duration)
        }
        if !hasTooManyRuns, decoded > last + Self.forwardTolerance, time > plainEnd + Self.forwardTolerance {
            runs[runs.count - 1].end = plainEnd
            return begin(.forward, time, decoded, duration)
        }
        lastDecoded = max(last, decoded)
        run.start = min(run.start, time)
        run.end = max(run.end, time + duration)
        runs[runs.count - 1] = run
        noteEnd(time, duration)
        wait(time)
    }

    /// Notes how far the track is ahead of the other kind, for a run that is a jump forward.
    private mutating func compare(_ decoded: Double, with other: Double) {
        defer { ahead = decoded - other }
        guard let run = runs.last, run.beginning == .forward, !hasTooManyRuns else { return }
        if run.firstPacket == count {
            aheadBefore = ahead
            leastAhead = decoded - other
            otherAtBeginning = other
        }
        leastAhead = min(leastAhead, decoded - other)
        guard let aheadBefore else { return }
        runs[runs.count - 1].lead = other > otherAtBeginning ? max(0, leastAhead - aheadBefore) : 0
    }

    private mutating func noteEnd(_ time: Double, _ duration: Double) {
        if duration <= Self.forwardTolerance { plainDuration = duration }
        plainEnd = max(plainEnd, time + plainDuration)
    }

    private mutating func begin(
        _ beginning: Run.Beginning, _ time: Double, _ decoded: Double, _ duration: Double
    ) {
        if runs.count >= Self.mostRuns {
            // From here on the clock is taken as it is.
            hasTooManyRuns = true
            runs[runs.count - 1].end = max(runs[runs.count - 1].end, time + duration)
        } else {
            drain(to: 0)
            lastShown = nil
            runs.append(
                Run(
                    beginning: beginning, firstPacket: count, position: position, start: time, end: time + duration))
            plainEnd = -.infinity
            runSize = 0
        }
        noteEnd(time, duration)
        lastDecoded = decoded
        wait(time)
    }

    private mutating func wait(_ time: Double) {
        let place = waiting.lastIndex { $0 <= time }.map { $0 + 1 } ?? 0
        waiting.insert(time, at: place)
        drain(to: Self.mostWaiting)
    }

    private mutating func drain(to most: Int) {
        while waiting.count > most {
            let time = waiting.removeFirst()
            if let lastShown, time > lastShown {
                let gap = time - lastShown
                longestGap = max(longestGap, gap)
                let unit = Int((min(gap, 1e5) * 10_000).rounded())
                if intervals.count < Self.mostIntervals || intervals[unit] != nil { intervals[unit, default: 0] += 1 }
            }
            lastShown = max(lastShown ?? time, time)
        }
    }

    /// After the last packet.
    mutating func finish() {
        endStretch(before: nil)
        drain(to: 0)
        endScene()
    }
}

/// The packets of all tracks of picture and sound, in the order in which a file is read.
struct FilePackets {
    private(set) var tracks: [Int: TrackPackets]
    private let pictures: Set<Int>
    private var reader = PacketReader()
    /// When the last picture and the last piece of sound are decoded that were read.
    private var lastPicture: Double?
    private var lastSound: Double?

    /// By the numbers of the streams.
    init(pictures: some Sequence<Int>, sounds: some Sequence<Int>) {
        self.pictures = Set(pictures)
        tracks = [:]
        for number in self.pictures.union(sounds) { tracks[number] = TrackPackets() }
    }

    init(_ streams: [Int: ProbeReport.Stream]) {
        self.init(
            pictures: streams.filter { $0.value.codec_type == "video" }.keys,
            sounds: streams.filter { $0.value.codec_type != "video" }.keys)
    }

    /// Takes a piece of what ffprobe writes of them.
    mutating func read(_ piece: UnsafeRawBufferPointer) {
        var whole: [Packet] = []
        reader.read(piece) { whole.append($0) }
        for packet in whole { take(packet) }
    }

    mutating func take(_ packet: Packet) {
        let isPicture = pictures.contains(packet.stream)
        tracks[packet.stream]?.take(packet, beside: isPicture ? lastSound : lastPicture)
        guard tracks[packet.stream] != nil, let time = packet.decodingTime ?? packet.time else { return }
        if isPicture { lastPicture = time } else { lastSound = time }
    }

    /// After the last packet.
    mutating func finish() {
        var rest: [Packet] = []
        reader.finish { rest.append($0) }
        for packet in rest { take(packet) }
        for number in tracks.keys { tracks[number]?.finish() }
    }
}
