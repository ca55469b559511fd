import ChunkStore
import FileStore
import Foundation
import Model
import System
import TestSupport
import Testing

/// The stores that the contract is run over.
enum StoreKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case files

    var testDescription: String { rawValue }
}

/// A store with nothing in it, and what a second process has of the same one.
final class StoreSite {
    let kind: StoreKind
    let directory: URL
    let store: any ChunkStore

    init(_ kind: StoreKind) throws {
        self.kind = kind
        directory = try makeTemporaryDirectory()
        store = try Self.open(kind, directory)
    }

    deinit {
        try? FileManager.default.removeItem(at: directory)
    }

    /// The same store as another process has it, in another incarnation if that is said.
    func another(incarnation: String = firstIncarnation, full: Bool = false) throws -> any ChunkStore {
        try Self.open(kind, directory, incarnation, full: full)
    }

    static let firstIncarnation = "first"

    private static func open(
        _ kind: StoreKind, _ directory: URL, _ incarnation: String = firstIncarnation, full: Bool = false
    ) throws -> any ChunkStore {
        switch kind {
        case .files:
            try FileChunkStore(
                directory: directory.path, reserve: .bytes(full ? .max : 0), bootID: incarnation)
        }
    }
}

/// An upload of four chunks, as `ActiveUpload` has it.
struct SentUpload {
    static let chunkSize = 50_000

    let id: Int64
    var content: [UInt8]
    /// The incarnation in which its chunks are good.
    var incarnation = StoreSite.firstIncarnation
    var isSizeKnown = true

    init(_ id: Int64, _ content: [UInt8] = videoBytes(199_999)) {
        self.id = id
        self.content = content
    }

    var chunks: Range<Int> { 0..<(content.count + Self.chunkSize - 1) / Self.chunkSize }

    func range(_ chunk: Int) -> Range<Int> {
        chunk * Self.chunkSize..<min((chunk + 1) * Self.chunkSize, content.count)
    }

    func bytes(_ chunk: Int) -> [UInt8] { Array(content[range(chunk)]) }

    /// The chunks as they are recorded.
    var recorded: [StoredChunk] {
        chunks.map { chunk in
            var checksum = CRC32C()
            bytes(chunk).withUnsafeBytes { checksum.update($0) }
            return StoredChunk(number: chunk, length: range(chunk).count, crc32c: checksum.value)
        }
    }

    var record: Upload {
        Upload(
            id: id,
            key: UploadKey(
                owner: "", md5: md5Hex(content), extent: isSizeKnown ? .size(content.count) : .guid("1"),
                chunks: chunks.count, chunkSize: Self.chunkSize),
            state: .open, videoID: id, client: "", isKnown: false,
            draft: VideoDraft(name: "", guid: "1", path: "", classID: nil), bootID: incarnation,
            received: chunks.count, receivedBytes: content.count, updateTime: 0)
    }

    func open(_ store: any ChunkStore, _ recorded: [StoredChunk] = [], known: [String] = []) throws -> OpenedUpload {
        try store.open(record, chunks: recorded, comparedWith: known)
    }

    /// Opens it and stores all of its chunks.
    func stored(in store: any ChunkStore, known: [String] = []) throws -> any UploadBytes {
        let bytes = try open(store, known: known).bytes
        for chunk in chunks { try put(chunk, to: bytes) }
        bytes.advance(to: content.count, restarts: false)
        return bytes
    }

    func put(_ chunk: Int, to upload: any UploadBytes) throws {
        guard let turn = try upload.turn(at: range(chunk)) else { throw Ended() }
        try upload.put(contentOf(bytes(chunk)), at: range(chunk))
        _ = consume turn
    }

    /// Publishes it as a completion does.
    func published(in store: any ChunkStore, as path: String) throws {
        _ = try stored(in: store).publish(as: path)
        store.removeUpload(id)
    }

    struct Ended: Error {}
}

/// Bytes as a request brings them.
func contentOf(_ bytes: [UInt8]) -> Content {
    let block = MemoryPool(blockSize: max(bytes.count, 1)).take()
    block.bytes.copyBytes(from: bytes)
    return .memory(block, 0..<bytes.count)
}

extension VideoStore {
    /// All bytes of a published video.
    func published(_ path: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        _ = try readPublished(path, limit: .max) { bytes += $0 }
        return bytes
    }
}

extension UploadBytes {
    /// Whether the bytes are published, as one learns with the turn to change some of them; `nil` if the upload has ended.
    func isPublished(at range: Range<Int>) throws -> Bool? {
        guard let turn = try turn(at: range) else { return nil }
        return turn.isPublished
    }
}
