extension Double {
    /// Seconds as they are told and kept, to the millisecond.
    var roundedToMilliseconds: Double { (self * 1000).rounded() / 1000 }
}

/// When the packets of a video are shown, on one clock that begins at 0 and never jumps, whatever clocks the file has.
///
/// The rules:
/// - What begins again after the clock went back follows what was before it. Picture and sound that begin again together
///   stay in step.
/// - A picture may stand still, and a sound be silent, for up to 10 minutes, and for as long as the other one goes on.
/// - A clock that has gone on further is set back, and so is one that went on for both at the same place, or for one of them
///   while the other went on beside it where it was: nothing is missing for anybody who watches.
/// - Of a clock that never goes on nothing is believed: pictures follow each other at a constant rate, and so do samples.
/// - A picture track that was cut before its first key picture begins at that one, and the sound with it. One that only begins
///   later than the sound is held backwards.
struct Timeline: Equatable, Sendable {
    /// From a packet on, so many seconds are added to a track's times.
    struct Step: Equatable, Sendable {
        /// The number of the packet among those of the track.
        let packet: Int
        /// Bytes of the file before that packet.
        let position: Int
        fileprivate(set) var offset: Double
        /// Seconds of the file's clock: when its first packet is shown, and its last one ends.
        var start: Double
        var end: Double
    }

    /// One track on this clock.
    struct Track: Equatable, Sendable {
        /// The first one is for packet 0, if there is one.
        let steps: [Step]
        /// Seconds: when its first packet that is shown begins, and its last one ends.
        let start: Double
        let end: Double
        /// Whether its clock stands still: its pictures or samples are counted from `start` on.
        let isCounted: Bool
    }

    /// What has to be added to the file's clock for the time 0, where it does not jump.
    let zero: Double
    let picture: Track
    let sound: Track?
    /// Pictures a second of a picture that is counted.
    let rate: Double

    /// Whether the file's own clock jumps or stands still, so that more has to be done than to set it to 0.
    var isRepaired: Bool { picture.steps.count > 1 || sound?.steps.count ?? 0 > 1 || isCounted }
    /// Whether a clock stands still.
    var isCounted: Bool { picture.isCounted || sound?.isCounted == true }

    /// Seconds: how long it plays. A packet of sound that is not whole when the picture ends is no part of it.
    var duration: Double {
        guard let sound, sound.end > picture.end + Self.packetLength else { return picture.end }
        return sound.end
    }

    /// Seconds that a packet of sound lasts at most.
    private static let packetLength = 0.1
    /// Seconds that a picture may stand still, or a sound be silent, where the other one does not go on.
    private static let longestStill = 600.0
    /// Seconds between the ends of picture and sound before a clock that went on for both. Slides end earlier than what is
    /// said to them.
    private static let sameEnd = 1.0
    /// Pictures a second that are believed.
    private static let rates = 1.0...240
    /// Seconds that one track may begin later than the other when both begin again.
    private static let togetherness = 5.0

    /// - Parameter announced: pictures a second as the file says, `nil` if it does not. For a clock that stands still.
    /// - Returns: `nil` if no packet of the picture is shown.
    init?(picture: TrackPackets, sound: TrackPackets?, announced: Double? = nil) {
        rate = announced.flatMap { Self.rates.contains($0) ? $0 : nil } ?? 25
        var tracks = [picture]
        if let sound, !sound.runs.isEmpty { tracks.append(sound) }
        guard !picture.runs.isEmpty else { return nil }
        var runs = tracks.map(\.runs)
        for (track, packets) in tracks.enumerated() where packets.standsStill {
            let length = track == 0 ? Double(packets.shown) / rate : packets.playing
            runs[track][0].end = max(runs[track][0].end, runs[track][0].start + length)
        }
        let pieces = Self.pieces(runs)
        let offsets = Self.offsets(pieces, runs)

        // On a clock without jumps.
        var steps: [[Step]] = tracks.map { _ in [] }
        var (starts, ends) = (tracks.map { _ in Double.infinity }, tracks.map { _ in -Double.infinity })
        for (piece, offset) in zip(pieces, offsets) {
            for (track, run) in piece.runs {
                let run = runs[track][run]
                if let last = steps[track].last, last.offset == offset {
                    steps[track][steps[track].count - 1].start = min(last.start, run.start)
                    steps[track][steps[track].count - 1].end = max(last.end, run.end)
                } else {
                    let packet = steps[track].isEmpty ? 0 : run.firstPacket
                    steps[track].append(
                        Step(packet: packet, position: run.position, offset: offset, start: run.start, end: run.end))
                }
                starts[track] = min(starts[track], run.start + offset)
                ends[track] = max(ends[track], run.end + offset)
            }
        }
        var first = starts.min() ?? 0
        if picture.packetsBeforeKey > 0, let key = picture.firstKey {
            // Of the first run: later ones begin with what the decoder knows.
            starts[0] = max(starts[0], key + (offsets.first ?? 0))
            first = max(first, starts[0])
        }
        zero = -first
        let moved = tracks.indices.map { track in
            for step in steps[track].indices { steps[track][step].offset -= first }
            return Track(
                steps: steps[track], start: max(0, starts[track] - first), end: max(0, ends[track] - first),
                isCounted: tracks[track].standsStill)
        }
        self.picture = moved[0]
        self.sound = moved.count > 1 ? moved[1] : nil
    }

    /// Runs of the tracks that have one clock.
    private struct Piece {
        let beginning: TrackPackets.Run.Beginning
        /// On the file's clock.
        let start: Double
        /// The numbers of a track and of its run.
        var runs: [(track: Int, run: Int)]

        func has(_ track: Int) -> Bool { runs.contains { $0.track == track } }
    }

    /// Finds the runs that belong together: in the order of the file, each one to the latest piece, unless that has a run of the
    /// same track already or is another kind of jump, or another time.
    ///
    /// Not in the order of the packets: from fragments of an MP4 those with the least time come first, which may be all
    /// restarts of one track before the first one of the other.
    private static func pieces(_ tracks: [[TrackPackets.Run]]) -> [Piece] {
        let all = tracks.enumerated().flatMap { track, runs in
            runs.enumerated().map { (track: track, number: $0.offset, run: $0.element) }
        }.sorted { $0.run.position < $1.run.position }
        var pieces: [Piece] = []
        for (track, number, run) in all {
            if let last = pieces.last, !last.has(track), last.beginning == run.beginning,
                run.beginning == .start || abs(run.start - last.start) <= togetherness
            {
                pieces[pieces.count - 1].runs.append((track, number))
            } else {
                pieces.append(Piece(beginning: run.beginning, start: run.start, runs: [(track, number)]))
            }
        }
        return pieces
    }

    /// Seconds that are added to the times of each piece.
    private static func offsets(_ pieces: [Piece], _ tracks: [[TrackPackets.Run]]) -> [Double] {
        var offsets: [Double] = []
        // Of each track: its offset now, and where it ends, with it.
        var current = tracks.map { _ in 0.0 }
        var ends: [Double?] = tracks.map { _ in nil }
        for piece in pieces {
            let runs = piece.runs.map { tracks[$0.track][$0.run] }
            let start = runs.map(\.start).min() ?? 0
            let before = piece.runs.compactMap { ends[$0.track] }.max()
            var offset = piece.runs.first.map { current[$0.track] } ?? 0
            switch piece.beginning {
            case .start: break
            case .back: if let before { offset = before - start }
            case .forward:
                guard let before else { break }
                let still = start + offset - before
                // Another track that goes on meanwhile.
                let isCovered = tracks.indices.contains { track in
                    guard !piece.has(track), let end = ends[track] else { return false }
                    return end > before + TrackPackets.forwardTolerance
                }
                let last = piece.runs.compactMap { ends[$0.track] }
                let hasJumped = last.count > 1 && before - (last.min() ?? before) <= sameEnd
                let hasLeft = runs.contains { $0.lead > still / 2 }
                if hasLeft || !isCovered && (hasJumped || still > longestStill) { offset = before - start }
            }
            offsets.append(offset)
            for ((track, _), run) in zip(piece.runs, runs) {
                current[track] = offset
                ends[track] = max(ends[track] ?? -.infinity, run.end + offset)
            }
        }
        return offsets
    }
}

/// How many pictures a second a stream gets: a constant number, so that no picture is missing in it for long.
struct Cadence: Equatable, Sendable, CustomStringConvertible {
    let numerator: Int
    let denominator: Int

    /// Pictures per second.
    var rate: Double { Double(numerator) / Double(denominator) }
    /// As ffmpeg reads it, like `30000/1001`.
    var description: String { denominator == 1 ? "\(numerator)" : "\(numerator)/\(denominator)" }

    /// Pictures a second at most, and at least: a player stands still where none comes for more than half a second.
    static let most = Cadence(60, 1)
    static let least = Cadence(4, 1)

    init(_ numerator: Int, _ denominator: Int) {
        self.numerator = numerator
        self.denominator = denominator
    }

    /// What cameras, recorders and editors make.
    private static let usual = [
        Cadence(5, 1), Cadence(10, 1), Cadence(12, 1), Cadence(25, 2), Cadence(15, 1), Cadence(20, 1),
        Cadence(24_000, 1001), Cadence(24, 1), Cadence(25, 1), Cadence(30_000, 1001), Cadence(30, 1), Cadence(48, 1),
        Cadence(50, 1), Cadence(60_000, 1001), Cadence(60, 1),
    ]
    /// How far one may be from the measured one. 24 and 24000/1001 are 0.1 % apart.
    private static let tolerance = 0.0004
    /// How far it may be where times are in milliseconds, as in FLV and Matroska.
    private static let roughTolerance = 0.02
    /// Which part of the pictures must follow each other faster than the usual ones, and in what part of the usual time, for
    /// their cadence to be that of all: a demonstration after slides. Others are bursts of a few, or the jitter of a clock.
    private static let fasterShare = 0.1
    private static let faster = 0.55

    /// The cadence of a track: of the intervals that are usual in it, not of its average, which gaps make smaller.
    /// - Parameters:
    ///   - intervals: how often each interval between pictures occurs, by its length in 0.1 ms.
    ///   - average: pictures per second that the file announces, `nil` if unknown.
    init(intervals: [Int: Int], announced: Double?) {
        let total = intervals.values.reduce(0, +)
        guard total > 0 else {
            self = announced.map { Self.nearest($0, within: Self.roughTolerance) } ?? Cadence(25, 1)
            return
        }
        // The interval that half of the pictures do not exceed: drops are longer, and bursts of a few are shorter.
        let sorted = intervals.sorted { $0.key < $1.key }
        var median = Self.median(sorted)
        while true {
            let shorter = sorted.filter { Double($0.key) < Self.faster * Double(median) }
            guard Double(shorter.reduce(0) { $0 + $1.value }) >= Self.fasterShare * Double(total) else { break }
            median = Self.median(shorter)
        }
        // The average of those beside it: a clock of milliseconds has 33 and 34 for 30 a second.
        let near = sorted.filter { abs($0.key - median) <= 11 + median / 50 }
        let count = near.reduce(0) { $0 + $1.value }
        let sum = near.reduce(0.0) { $0 + Double($1.key) * Double($1.value) }
        let rate = 10_000 * Double(count) / max(sum, 1)
        // What is announced is exact where it is usual, like 24000/1001, and else an average.
        if let announced, abs(announced / rate - 1) < Self.roughTolerance,
            let usual = Self.usual.first(where: { abs($0.rate / announced - 1) <= Self.tolerance })
        {
            self = usual
        } else {
            self = Self.nearest(rate, within: Self.roughTolerance)
        }
    }

    /// The interval that half of the pictures do not exceed.
    private static func median(_ sorted: [(key: Int, value: Int)]) -> Int {
        let total = sorted.reduce(0) { $0 + $1.value }
        var seen = 0
        for (interval, count) in sorted {
            seen += count
            if 2 * seen >= total { return interval }
        }
        return 0
    }

    private static func nearest(_ rate: Double, within tolerance: Double) -> Cadence {
        if rate >= most.rate { return most }
        if rate <= least.rate { return least }
        let usual = usual.min { abs($0.rate / rate - 1) < abs($1.rate / rate - 1) }!
        if abs(usual.rate / rate - 1) <= tolerance { return usual }
        return Cadence(Int((rate * 1000).rounded()), 1000)
    }
}
