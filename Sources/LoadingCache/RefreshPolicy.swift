/// When a `LoadingCache` replaces a value by a newer one without making its readers wait.
public struct RefreshPolicy: Hashable, Sendable {
    /// A value that was stored longer ago than this is reloaded by the next `get`.
    public let after: Duration
    /// After a failed reload so much time passes before the next attempt.
    public let retryAfterFailure: Duration

    /// A policy.
    ///
    /// - Parameters:
    ///   - after: A value that was stored longer ago than this is reloaded by the next `get`. Above zero.
    ///   - retryAfterFailure: After a failed reload so much time passes before the next attempt. With zero, as in
    ///     Guava, every reader tries.
    /// - Throws: `CacheConfigurationError.duration`.
    public init(after: Duration, retryAfterFailure: Duration = .zero) throws(CacheConfigurationError) {
        guard after > .zero, retryAfterFailure >= .zero else { throw .duration }
        self.after = after
        self.retryAfterFailure = retryAfterFailure
    }
}
