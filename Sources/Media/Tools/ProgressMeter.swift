/// How much of a video's work is done, as one number from 0 to 1 that never falls.
struct ProgressMeter {
    /// Reported when it has grown by so much.
    private static let step = 0.001

    private let report: (Double) -> Void
    private let total: Double
    /// The weight of the steps that are done.
    private var done = 0.0
    private var reported = 0.0

    /// - Parameter total: the weights of all steps together.
    init(total: Double, report: @escaping (Double) -> Void) {
        self.total = total
        self.report = report
    }

    /// Notes that a part, from 0 to 1, of the step with this weight is done.
    mutating func note(_ part: Double, of weight: Double) {
        // Not all of it: the end is there when everything is checked and synced.
        set(min(0.999, (done + weight * max(0, min(1, part))) / total))
    }

    /// Notes that the step with this weight is done.
    mutating func finish(_ weight: Double) {
        done += weight
        note(0, of: 0)
    }

    /// Notes that everything is done.
    mutating func finishAll() {
        set(1)
    }

    private mutating func set(_ value: Double) {
        guard value >= reported + Self.step || value == 1 && reported < 1 else { return }
        reported = value
        report(value)
    }
}

/// Reads how far ffmpeg is from what `-progress` writes: `key=value` lines.
struct ProgressReader {
    private var line: [UInt8] = []

    /// The last time that the bytes tell, in seconds of the result.
    mutating func read(_ bytes: UnsafeRawBufferPointer) -> Double? {
        var seconds: Double?
        for byte in bytes {
            if byte != UInt8(ascii: "\n") {
                // No line of ffmpeg's is that long.
                if line.count < 256 { line.append(byte) }
                continue
            }
            let text = String(decoding: line, as: UTF8.self)
            if text.hasPrefix("out_time_us="), let time = Double(text.dropFirst(12)) { seconds = time / 1_000_000 }
            line.removeAll(keepingCapacity: true)
        }
        return seconds
    }
}
