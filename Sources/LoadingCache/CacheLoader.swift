/// Where a `LoadingCache` gets its values from.
///
/// Every closure is called on a thread that uses the cache, without a lock held: it may block, and it may use the cache
/// for other keys. Two loads that each wait for the other's key wait for ever.
public struct CacheLoader<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    /// Gives a reload's result to the cache; only the first call counts. Letting go of it without a call is a failure.
    public typealias Completion = @Sendable (Result<Value, any Error>) -> Void

    /// How a value is replaced by a newer one.
    public enum Reload: Sendable {
        /// By `load`, on the thread of the reader that finds the value old.
        case load
        /// By a function of the key and the old value, on the thread of the reader that finds it old.
        case synchronous(@Sendable (Key, Value) throws -> Value)
        /// By a function that returns at once and calls the completion later, from any thread: no reader waits. What
        /// it starts must not ask the cache for this key, which may have expired by then: it would wait for itself.
        case asynchronous(@Sendable (Key, Value, @escaping Completion) -> Void)
    }

    /// Returns the value of a key.
    public let load: @Sendable (Key) throws -> Value
    /// Returns the values of several keys, and of others where they come for free. Without it `load` is called for
    /// each.
    public let loadAll: (@Sendable ([Key]) throws -> [Key: Value])?
    /// How a value is replaced by a newer one.
    public let reload: Reload

    /// A loader.
    ///
    /// - Parameters:
    ///   - loadAll: Returns the values of several distinct keys at once, and of others where they come for free.
    ///   - reload: How a value is replaced by a newer one.
    ///   - load: Returns the value of a key. What it throws reaches everybody who waits for that key.
    public init(
        loadAll: (@Sendable ([Key]) throws -> [Key: Value])? = nil, reload: Reload = .load,
        load: @escaping @Sendable (Key) throws -> Value
    ) {
        self.load = load
        self.loadAll = loadAll
        self.reload = reload
    }
}
