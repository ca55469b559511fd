/// Holds a key as a server's threads do theirs: somebody else owns it for as long as the lookup takes.
///
/// Taking a string out of an array would count a reference up and down, and threads that share the string would wait
/// for each other there, which is not what is measured. Out of a constant of an object that is known to live, it is
/// borrowed.
final class KeyBox<Key: Sendable>: Sendable {
    let key: Key

    init(_ key: Key) {
        self.key = key
    }
}

/// The keys that a thread asks for, in order, over and over.
struct Trace<Key: Sendable>: Sendable {
    private let owner: [KeyBox<Key>]
    /// What `owner` keeps alive.
    private let boxes: [Unmanaged<KeyBox<Key>>]

    /// - Parameters:
    ///   - keys: All keys.
    ///   - order: Numbers of keys; as many as a power of two.
    init(_ keys: [KeyBox<Key>], order: [Int32]) {
        owner = keys
        boxes = order.map { Unmanaged.passUnretained(keys[Int($0)]) }
    }

    /// Calls `body` with the steps from `begin` on and their keys.
    @inline(__always)
    func forEach(from begin: Int, _ count: Int, _ body: (_ step: Int, _ key: Key) -> Void) {
        let mask = boxes.count - 1
        boxes.withUnsafeBufferPointer { boxes in
            for step in begin..<begin + count {
                boxes[step & mask]._withUnsafeGuaranteedRef { body(step, $0.key) }
            }
        }
    }
}
