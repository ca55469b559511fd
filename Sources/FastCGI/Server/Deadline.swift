import Glibc

/// A moment on the monotonic clock.
struct Deadline: Sendable {
    /// Nanoseconds of CLOCK_MONOTONIC.
    private let moment: Int64

    /// `seconds` from now; at least none, at most a year, which also covers infinity. Not a number counts as none.
    init(after seconds: Double) {
        let bounded = seconds > 0 ? min(seconds, 365 * 86_400) : 0
        moment = Self.now + Int64(bounded * 1e9)
    }

    /// Whole milliseconds that are left, rounded up, so that a wait for them ends after the deadline. 0 if it is over.
    var milliseconds: Int32 {
        let left = moment - Self.now
        return left <= 0 ? 0 : Int32(min((left + 999_999) / 1_000_000, Int64(Int32.max)))
    }

    private static var now: Int64 {
        var time = timespec()
        _ = clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
