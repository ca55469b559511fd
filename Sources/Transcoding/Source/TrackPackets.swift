/// What the packets of one track tell: how many there are, when they are shown, and where their clock jumps.
///
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
        /// The number of its first packet among those of the file.
        let position: Int
        /// Seconds of the file's clock: when the first packet is shown, and when the last one ends.
        var start: Double
        var end: Double
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
    /// Packets before it.
    private(set) var packetsBeforeKey = 0
    /// Packets that an edit list cuts off after the first one that is shown.
    private(set) var cutOff = 0
    private(set) var withoutTime = 0
    private(set) var corrupt = 0
    private(set) var encrypted = 0
    /// Packets after the first one that bring other parameters.
    private(set) var changes = 0
    /// The longest time from one picture to the next within a run, in seconds.
    private(set) var longestGap = 0.0
    /// How often packets follow each other in so many units of 0.1 ms.
    private(set) var intervals: [Int: Int] = [:]

    /// Times that wait for others before them: pictures are shown in another order than they are decoded in.
    private var waiting: [Double] = []
    private var lastShown: Double?
    private var lastDecoded: Double?
    /// Where the run ends if its last packet lasts as long as those before it: before a jump it is said to last up to there.
    private var plainEnd = 0.0
    private var plainDuration = 0.0

    /// A decoder holds no more than 16 pictures back: ISO/IEC 14496-10, section A.3.1.
    private static let mostWaiting = 17
    private static let mostRuns = 200
    private static let mostIntervals = 4096
    /// Seconds that a clock may go back and still be the same one: what B-frames, and muxers that round, make.
    static let backTolerance = 0.5
    /// Seconds without a packet from which on the clock is taken for one that has jumped.
    static let forwardTolerance = 10.0

    /// - Parameter position: the packet's number among those of the file.
    mutating func take(_ packet: Packet, position: Int) {
        defer { count += 1 }
        if packet.isKey { keyCount += 1 }
        size += packet.size
        if packet.isCorrupt { corrupt += 1 }
        if packet.isEncrypted { encrypted += 1 }
        if packet.hasNewParameters && count > 0 { changes += 1 }
        guard let time = packet.time ?? packet.decodingTime else {
            withoutTime += 1
            return
        }
        if packet.isDiscarded {
            if !runs.isEmpty { cutOff += 1 }
            return
        }
        if firstKey == nil {
            if packet.isKey { firstKey = time } else { packetsBeforeKey += 1 }
        }
        note(time, decoded: packet.decodingTime ?? time, duration: packet.duration, position: position)
    }

    private mutating func note(_ time: Double, decoded: Double, duration: Double, position: Int) {
        guard var run = runs.last, let last = lastDecoded else {
            return begin(.start, time, decoded, duration, position)
        }
        if !hasTooManyRuns, decoded < last - Self.backTolerance {
            runs[runs.count - 1].end = plainEnd
            return begin(.back, time, decoded, duration, position)
        }
        if !hasTooManyRuns, decoded > last + Self.forwardTolerance, time > plainEnd + Self.forwardTolerance {
            runs[runs.count - 1].end = plainEnd
            return begin(.forward, time, decoded, duration, position)
        }
        lastDecoded = max(last, decoded)
        run.start = min(run.start, time)
        run.end = max(run.end, time + duration)
        runs[runs.count - 1] = run
        noteEnd(time, duration)
        wait(time)
    }

    private mutating func noteEnd(_ time: Double, _ duration: Double) {
        if duration <= Self.forwardTolerance { plainDuration = duration }
        plainEnd = max(plainEnd, time + plainDuration)
    }

    private mutating func begin(
        _ beginning: Run.Beginning, _ time: Double, _ decoded: Double, _ duration: Double, _ position: Int
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
    mutating func finish() { drain(to: 0) }
}
