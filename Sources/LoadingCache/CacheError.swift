/// What a cache throws besides the errors of a loader, which it passes on as they are.
public enum CacheError: Error, Hashable, Sendable {
    /// A loader asked for the very key that it is loading on this thread, for which it would wait for ever.
    case recursiveLoad
    /// `loadAll` returned no value for a key that was asked for. The values that came are stored.
    case missingFromLoadAll
    /// A reload in the background let go of its completion without calling it.
    case reloadAbandoned
}

/// A combination of settings that a cache cannot have.
public enum CacheConfigurationError: Error, Hashable, Sendable {
    /// The maximum size or weight is less than zero.
    case negativeBound
    /// The initial capacity is less than zero.
    case negativeCapacity
    /// The concurrency level is less than one.
    case concurrencyLevel
    /// A duration is less than zero, or that of a refresh is zero.
    case duration
    /// Entries would expire after a write before they could be refreshed.
    case refreshNotBeforeExpiry
}
