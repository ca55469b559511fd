import ChunkStore
import Glibc
import Model
import System

extension FileChunkStore: ChunkStore {
    package func open(
        _ upload: Upload, chunks: [StoredChunk], comparedWith known: [String]
    ) throws(StoreError) -> OpenedUpload {
        try calling { () throws(SystemError) in
            let (file, isNew) = try makeUpload(upload.id)
            var kept = followed.getIfPresent(upload.id)
            followed.invalidate(upload.id)
            // Nothing is known of bytes that are in doubt.
            if isNew || isInDoubt(upload) || kept?.holds(for: file, chunks: chunks) == false { kept = nil }
            let bytes = FileUpload(
                upload, file, in: self, known: self.known(known, size: upload.key.size ?? 0), followed: kept)
            return (bytes, isNew ? chunks : isInDoubt(upload) ? lost(chunks, of: upload, in: file) : [], isNew)
        }
    }

    private func isInDoubt(_ upload: Upload) -> Bool { upload.bootID != incarnation }

    package func lost(
        _ chunks: [StoredChunk], of upload: Upload, progress: (Int) -> Void
    ) throws(StoreError) -> [StoredChunk]? {
        try calling { () throws(SystemError) in
            guard let file = try SystemError.ifThere(try openUpload(upload.id)) else { return nil }
            return chunks.filter { chunk in
                defer { progress(chunk.length) }
                return !has(chunk, of: upload, in: file)
            }
        }
    }

    private func lost(_ chunks: [StoredChunk], of upload: Upload, in file: StoredFile) -> [StoredChunk] {
        // They are written again where a sync may have lost them without the kernel knowing.
        let rewrites = upload.bootID.isEmpty
        return chunks.filter { !has($0, of: upload, in: file) || rewrites && !rewrite($0, of: upload, in: file) }
    }

    /// Whether a chunk's bytes are there. Bytes that cannot be read are not.
    private func has(_ chunk: StoredChunk, of upload: Upload, in file: StoredFile) -> Bool {
        guard let range = try? upload.layout.range(ofChunk: chunk.number, length: chunk.length) else { return false }
        // Recorded before there were checksums: the md5 of the whole file tells.
        guard let checksum = chunk.crc32c else { return (try? file.length()).map { $0 >= range.upperBound } ?? false }
        return (try? file.crc32c(of: range)) == checksum
    }

    private func rewrite(_ chunk: StoredChunk, of upload: Upload, in file: StoredFile) -> Bool {
        guard let range = try? upload.layout.range(ofChunk: chunk.number, length: chunk.length) else { return false }
        return (try? file.rewrite(range)) != nil
    }

    package func isUpload(_ id: Int64, publishedAs path: String) -> Bool {
        guard let ours = try? status(ofUpload: id), let published = status(of: path) else { return false }
        return ours.isSame(as: published)
    }

    package func removeUpload(_ id: Int64) {
        let file = try? openUpload(id)
        unlinkat(incoming.number, Self.name(ofUpload: id), 0)
        // Requests, digests and other processes may have it open. A file without a name never gets one again: its bytes are
        // of no use.
        if let file, file.hasNoName { try? file.truncate(to: 0) }
        followed.invalidate(id)
    }

    package func incomingFiles() throws(StoreError) -> [IncomingFile] {
        try calling { () throws(SystemError) in
            try incoming.entries().map { name, status in
                IncomingFile(
                    name: name, upload: Self.upload(named: name), length: Int(status.st_size),
                    occupied: status.st_nlink > 1 ? 0 : status.occupied, changeTime: Int64(status.st_ctim.tv_sec))
            }
        }
    }

    package func setAside(_ file: IncomingFile) throws(StoreError) -> String? {
        try calling { () throws(SystemError) in try deleting { () throws(SystemError) in try moveAside(file) } }
    }

    private func moveAside(_ file: IncomingFile) throws(SystemError) -> String? {
        try Self.makeDirectory(directory, Self.setAsideDirectory, mode: 0o750)
        let target = try Descriptor(at: directory, Self.setAsideDirectory, O_RDONLY | O_DIRECTORY)
        // Not a rename, which would replace what was set aside before.
        let name = try Self.firstFree(file.name, unless: [EEXIST], "linkat") {
            linkat(incoming.number, file.name, target.number, $0, 0)
        }
        guard let name else { return nil }
        unlinkat(incoming.number, file.name, 0)
        return "\(Self.setAsideDirectory)/\(name)"
    }

    /// The upload whose file has this name.
    private static func upload(named name: String) -> Int64? {
        guard name.hasSuffix(".part"), let id = Int64(name.dropLast(5)), self.name(ofUpload: id) == name else {
            return nil
        }
        return id
    }
}
