import ChunkStore
import Foundation
import Glibc
import Model
import System

/// An upload's file, the digest that follows it, and the comparison with the files of videos of the same content.
///
/// Thread-safe. `comparing` has the only lock here; digest and comparison have one each, which are taken after it. Other
/// processes are kept away by locks of the file.
final class FileUpload: UploadBytes {
    private let store: FileChunkStore
    private let id: Int64
    private let client: String
    let file: StoredFile
    let digest: PrefixDigest
    let comparing: Locked<Comparing>
    /// Writers that are done at about the same time share one sync.
    private let syncs = GroupCommit<StoredFile, Void, SystemError> { files throws(SystemError) in
        try files[0].descriptor.syncData()
        return files.map { _ in }
    }

    /// A video's file.
    struct KnownFile: Sendable {
        let path: String
        let file: StoredFile
    }

    /// With what the bytes are compared.
    struct Comparing: Sendable {
        /// The files that are compared as the bytes come; `nil` if there are none, or one of them is removed.
        var following: (files: [KnownFile], prefix: PrefixComparison)?
        var isCompleting = false
        /// The files that all of the bytes were compared with.
        var compared: [(known: KnownFile, isSame: Bool)] = []
    }

    /// Seconds to wait for another process to leave a place in the file alone.
    private static let lockPatience = 5.0

    /// - Parameters:
    ///   - known: the files that are compared as the bytes come.
    ///   - followed: how far an earlier digest and comparison have come, if that holds still.
    init(
        _ upload: Upload, _ file: StoredFile, in store: FileChunkStore, known: [KnownFile], followed: FollowedPrefix?
    ) {
        self.store = store
        id = upload.id
        client = upload.client
        self.file = file
        digest = PrefixDigest(file, client: client, from: followed?.digest)
        let files = known.map(\.file)
        let prefix = PrefixComparison(file, with: files, client: client, from: followed?.comparison(with: files))
        comparing = Locked(Comparing(following: known.isEmpty ? nil : (known, prefix)), order: .comparison)
    }
}

// MARK: - Chunks

extension FileUpload {
    package func turn(at range: Range<Int>?) throws(StoreError) -> Turn? {
        try calling { () throws(SystemError) in
            try file.lock(range, within: Self.lockPatience)
            var isKept = false
            defer { if !isKept { file.unlock(range) } }
            guard let names = try store.names(of: file, ifUpload: id) else { return nil }
            isKept = true
            if range == nil { comparing.withLock { $0.isCompleting = true } }
            return Turn(isPublished: names > 1) { [self] in
                if range == nil { comparing.withLock { ($0.isCompleting, $0.compared) = (false, []) } }
                file.unlock(range)
            }
        }
    }

    package func holds(_ content: Content, at offset: Int) throws(StoreError) -> Bool {
        try calling { () throws(SystemError) in try file.matches(content, at: offset) }
    }

    package func put(_ content: Content, at range: Range<Int>) throws(StoreError) {
        try calling { () throws(SystemError) in
            try file.allocate(range)
            try file.write(content, at: range.lowerBound)
            if store.durability == .power { try syncs.submit(file) } else { file.startSync(of: range) }
            digest.dropCache(before: following?.compared ?? .max)
        }
    }

    package func sync() throws(StoreError) { try calling { () throws(SystemError) in try syncs.submit(file) } }

    package func advance(to count: Int, restarts: Bool) {
        if restarts {
            digest.restart(to: count)
            following?.restart(to: count)
        } else {
            digest.advance(to: count)
            following?.advance(to: count)
        }
    }

    package func whenBehind(atMost lag: Int, within seconds: Double, _ body: @escaping @Sendable () -> Void) -> Bool {
        // If both are, the next chunk waits for the other.
        digest.whenBehind(atMost: lag, within: seconds, body)
            || following?.whenBehind(atMost: lag, within: seconds, body) == true
    }

    private var following: PrefixComparison? { comparing.withLock { $0.following?.prefix } }
}

// MARK: - Completion

extension FileUpload {
    package func verify(size: Int, isSizeAnnounced: Bool) throws(StoreError) -> VerifiedBytes {
        try calling { () throws(SystemError) in
            // A last chunk that told the size may have been longer before it came again.
            if !isSizeAnnounced { try file.truncate(to: size) }
            let head = FileHead(try Content.file(file, 0..<size).prefix(FileHead.length))
            return (try digest.finish(size), head, LocalFile(path: store.path(ofUpload: id)))
        }
    }

    package func same(among paths: [String], size: Int) -> Set<String> {
        var (following, compared) = comparing.withLock { ($0.following, $0.compared) }
        if compared.isEmpty, let following {
            let same = Set(following.prefix.finish(size))
            compared = following.files.enumerated().map { ($1, same.contains($0)) }
        }
        // Another file may have taken the place of one.
        compared.removeAll { !store.isPublished($0.known.file, as: $0.known.path) }
        let others = store.known(paths.filter { path in !compared.contains { $0.known.path == path } }, size: size)
        if !others.isEmpty {
            let same = Set(PrefixComparison(file, with: others.map(\.file), client: client).finish(size))
            compared += others.enumerated().map { ($1, same.contains($0)) }
        }
        comparing.withLock { $0.compared = compared }
        return Set(compared.filter(\.isSame).map(\.known.path)).intersection(paths)
    }

    package func publish(as path: String) throws(StoreError) -> Bool {
        try calling { () throws(SystemError) in try store.publish(id, file, as: path) }
    }

    package func isPublished(as path: String) -> Bool {
        if store.isPublished(file, as: path) { return true }
        let same = comparing.withLock { $0.compared.first { $0.isSame && $0.known.path == path }?.known.file }
        return same.map { store.isPublished($0, as: path) } ?? false
    }
}

// MARK: - Closing

extension FileUpload {
    package func close(_ chunks: [StoredChunk]) {
        let following = comparing.withLock { $0.following.take() }
        let followed = FollowedPrefix(
            file, digest, (following?.files ?? []).map(\.file), following?.prefix, chunks: chunks)
        if let followed { store.followed.put(id, followed) }
    }

    package func closeRemoved() -> Bool {
        let removed = comparing.withLock { $0.following }
        if let removed, removed.files.contains(where: \.file.hasNoName) {
            let isClosed = comparing.withLock { comparing in
                guard !comparing.isCompleting, comparing.following?.prefix === removed.prefix else { return false }
                comparing.following = nil
                return true
            }
            if isClosed { _ = removed.prefix.suspend() }
        }
        return file.hasNoName
    }
}

extension FileChunkStore {
    /// The files of published videos that are there with this size.
    func known(_ paths: [String], size: Int) -> [FileUpload.KnownFile] {
        paths.compactMap { path in
            guard let file = try? openPublished(path), (try? file.length()) == size else { return nil }
            return FileUpload.KnownFile(path: path, file: file)
        }
    }
}
