/// Why an entry left a cache.
public enum RemovalCause: Hashable, Sendable {
    /// `invalidate` or `invalidateAll` took it out, or came while its value was being loaded.
    case explicit
    /// `put` or a reload gave the key another value, or a `put` came while this value was being loaded.
    case replaced
    /// Its time was up.
    case expired
    /// The cache was full.
    case size

    /// Whether the cache itself decided it: true for `expired` and `size`.
    public var isEviction: Bool { self == .expired || self == .size }
}

/// An entry that has left a cache.
public struct Removal<Key: Sendable, Value: Sendable>: Sendable {
    /// The key it was stored under.
    public let key: Key
    /// The value it held.
    public let value: Value
    /// Why it left.
    public let cause: RemovalCause

    @inlinable init(key: Key, value: Value, cause: RemovalCause) {
        self.key = key
        self.value = value
        self.cause = cause
    }
}

/// What an operation took out under the lock. It leaves the lock's scope before the listener hears of it and before the
/// keys and values go: a `deinit` of theirs may use the cache.
@usableFromInline struct Removals<Key: Sendable, Value: Sendable> {
    /// Most operations remove one entry at most, which must not cost an array.
    @usableFromInline var first: Removal<Key, Value>?
    @usableFromInline var rest: [Removal<Key, Value>] = []

    @inlinable init() {}

    @inlinable mutating func append(_ removal: Removal<Key, Value>) {
        if first == nil { first = removal } else { rest.append(removal) }
    }
}
