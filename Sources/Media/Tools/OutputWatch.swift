/// How much a tool has written below a directory. Used by one thread.
final class OutputWatch {
    private let directory: ResultDirectory
    private let limit: Int
    /// Bytes that were there before.
    private let before: Int
    private(set) var written = 0
    private var nextLook = SuspendingClock.now

    /// Seconds between two looks, and how many times longer than a look at least: there may be 20,000 files.
    private static let interval = 0.2
    private static let pause = 20.0

    /// - Parameter limit: bytes that the tool may write.
    init(_ directory: ResultDirectory, limit: Int) throws(TranscodingError) {
        self.directory = directory
        self.limit = limit
        before = try directory.size()
    }

    /// Looks if it is time to. Returns whether it has looked.
    func lookIfDue() throws(TranscodingError) -> Bool {
        let start = SuspendingClock.now
        guard start >= nextLook else { return false }
        try look()
        nextLook = .now + .seconds(max(Self.interval, Self.pause * ((.now - start) / .seconds(1))))
        return true
    }

    /// - Throws: `tooMuch` if it has written more than it may.
    func look() throws(TranscodingError) {
        written = max(0, try directory.size() - before)
        guard written > limit else { return }
        throw TranscodingError(
            .tooMuch, "it wrote \(written) bytes or more, \(limit) are allowed for this video")
    }
}
