/// A file's bytes as programs see them and as the disk has them.
///
/// For one thread at a time.
final class DiskFile {
    /// What programs see.
    private(set) var present: [UInt8] = []
    /// What was there at the last sync.
    private(set) var durable: [UInt8] = []
    /// The numbers of the pages that may differ.
    private var dirty: Set<Int> = []

    /// The page cache's page: what reaches the disk at once or not.
    private static let pageSize = 4096

    func write(_ bytes: [UInt8], at offset: Int) {
        let end = offset + bytes.count
        if present.count < end { resize(to: end) }
        present.replaceSubrange(offset..<end, with: bytes)
        dirty.formUnion(Self.pages(offset..<end))
    }

    /// Cuts it off, or makes it longer with zeros.
    func resize(to size: Int) {
        let old = present.count
        if size < old {
            present.removeLast(old - size)
        } else {
            present.append(contentsOf: repeatElement(0, count: size - old))
        }
        // Cut off, the bytes behind are zeros where they come back.
        dirty.formUnion(Self.pages(min(old, size)..<max(old, size)))
    }

    func sync() {
        if durable.count > present.count { durable.removeLast(durable.count - present.count) }
        durable.append(contentsOf: repeatElement(0, count: present.count - durable.count))
        for page in dirty { copy(page, to: &durable) }
        dirty = []
    }

    /// The durable bytes, cut off or with zeros behind them.
    var durableBytesOfPresentSize: [UInt8] {
        durable.prefix(present.count) + Array(repeating: 0, count: max(0, present.count - durable.count))
    }

    /// The durable bytes with some of the pages that are not, of the old size or the new.
    func someBytes(using chance: inout some RandomNumberGenerator) -> [UInt8] {
        guard !dirty.isEmpty else { return durable }
        let size = Bool.random(using: &chance) ? present.count : durable.count
        var bytes = Array(durable.prefix(size))
        bytes.append(contentsOf: repeatElement(0, count: size - bytes.count))
        for page in dirty.sorted() where Bool.random(using: &chance) { copy(page, to: &bytes) }
        return bytes
    }

    private func copy(_ page: Int, to bytes: inout [UInt8]) {
        let start = page * Self.pageSize
        let end = min(start + Self.pageSize, present.count, bytes.count)
        if start < end { bytes.replaceSubrange(start..<end, with: present[start..<end]) }
    }

    private static func pages(_ range: Range<Int>) -> Range<Int> {
        range.lowerBound / pageSize..<(range.upperBound + pageSize - 1) / pageSize
    }
}

/// Random numbers that a seed decides. (SplitMix64, https://prng.di.unimi.it/splitmix64.c)
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    package init(_ seed: UInt64) {
        state = seed
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
