import Glibc

/// A clock that counts nanoseconds from any beginning, such as a test's own.
///
/// It must not run backwards by more than the time between two calls on different threads, and it must be callable from
/// any thread. A cache reads it once an operation, and never when nothing in it expires, is refreshed or is measured.
public struct Ticker: Sendable {
    /// `nil` for the monotonic clock, which needs no call through a closure.
    @usableFromInline let read: (@Sendable () -> Int64)?

    /// The system's monotonic clock, which does not follow the wall clock's corrections.
    public static let system = Ticker(read: nil)

    /// A clock of the caller's.
    ///
    /// - Parameter nanoseconds: Returns the current reading. Called on the threads that use the cache, never while the
    ///   cache holds a lock.
    public init(nanoseconds: @escaping @Sendable () -> Int64) { self.init(read: nanoseconds) }

    private init(read: (@Sendable () -> Int64)?) { self.read = read }

    /// The current reading, in nanoseconds.
    @inlinable public func now() -> Int64 {
        if let read { return read() }
        return Self.monotonic()
    }

    @usableFromInline static func monotonic() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}
