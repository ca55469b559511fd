/// What the configuration means for the operations, in the form that they ask for it.
@usableFromInline struct Policy: Sendable {
    /// Nanoseconds; `Int64.max` for never.
    @usableFromInline let expireAfterWrite: Int64
    /// Nanoseconds; `Int64.max` for never.
    @usableFromInline let expireAfterAccess: Int64
    /// Nanoseconds; `Int64.max` for never.
    @usableFromInline let refreshAfterWrite: Int64
    /// Nanoseconds between a failed reload and the next.
    @usableFromInline let retryAfterFailure: Int64
    /// Any of the above is set: only then entries have times, and only then the clock is read.
    @usableFromInline let usesTime: Bool
    /// Something expires.
    @usableFromInline let expires: Bool
    @usableFromInline let refreshes: Bool
    @usableFromInline let evictsBySize: Bool
    /// Entries are kept in the order of their last use: for eviction, and for expiry after access.
    @usableFromInline let ordersByAccess: Bool
    /// Entries are kept in the order of their last write: for expiry after write.
    @usableFromInline let ordersByWrite: Bool
    @usableFromInline let recordsStatistics: Bool

    init<Key, Value>(_ configuration: CacheConfiguration<Key, Value>, refresh: RefreshPolicy?) {
        expireAfterWrite = configuration.expireAfterWrite?.wholeNanoseconds ?? .max
        expireAfterAccess = configuration.expireAfterAccess?.wholeNanoseconds ?? .max
        refreshAfterWrite = refresh?.after.wholeNanoseconds ?? .max
        retryAfterFailure = refresh?.retryAfterFailure.wholeNanoseconds ?? 0
        ordersByWrite = expireAfterWrite != .max
        evictsBySize = configuration.bound.total != nil
        ordersByAccess = evictsBySize || expireAfterAccess != .max
        expires = expireAfterWrite != .max || expireAfterAccess != .max
        refreshes = refreshAfterWrite != .max
        usesTime = expires || refreshes
        recordsStatistics = configuration.recordsStatistics
    }

    /// How long an entry that is written now lives at least, in nanoseconds.
    @inlinable var shortestLife: Int64 { min(expireAfterWrite, expireAfterAccess) }
}

extension Duration {
    /// The duration in nanoseconds, rounded towards zero; `Int64.max` (292 years) where it does not fit.
    var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow || carry ? .max : sum
    }
}
