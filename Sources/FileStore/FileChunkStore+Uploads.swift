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
            return OpenedUpload(
                bytes: bytes, lost: isNew ? chunks : isInDoubt(upload) ? lost(chunks, of: upload, in: file) : [],
                isNew: isNew)
        }
    }

    private func isInDoubt(_ upload: Upload) -> Bool { upload.bootID != incarnation }

    package func lost(
        _ chunks: [StoredChunk], of upload: Upload, progress: (Int) -> Void
    ) throws(StoreError) -> [StoredChunk]? {
        try calling { () throws(SystemError) in
            do throws(SystemError) {
                let file = try openUpload(upload.id)
                return chunks.filter { chunk in
                    defer { progress(chunk.length) }
                    return !has(chunk, of: upload, in: file)
                }
            } catch  where error.isMissing {
                return nil
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
        return (ours.st_ino, ours.st_dev) == (published.st_ino, published.st_dev)
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
            var files: [IncomingFile] = []
            for name in try incoming.names() {
                var status = stat()
                // One that is gone meanwhile is no file any more.
                guard fstatat(incoming.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
                files.append(
                    IncomingFile(
                        name: name, upload: Self.upload(named: name), length: Int(status.st_size),
                        occupied: status.st_nlink > 1 ? 0 : Int(status.st_blocks) * 512,
                        changeTime: Int64(status.st_ctim.tv_sec)))
            }
            return files
        }
    }

    package func setAside(_ file: IncomingFile) throws(StoreError) -> String? {
        try calling { () throws(SystemError) in try deleting { () throws(SystemError) in try moveAside(file) } }
    }

    private func moveAside(_ file: IncomingFile) throws(SystemError) -> String? {
        try Self.makeDirectory(directory, Self.setAsideDirectory, mode: 0o750)
        let target = try Descriptor(at: directory, Self.setAsideDirectory, O_RDONLY | O_DIRECTORY)
        for attempt in 0... {
            let name = attempt == 0 ? file.name : "\(file.name).\(attempt)"
            do throws(SystemError) {
                // Not a rename, which would replace what was set aside before.
                _ = try SystemError.check("linkat") { linkat(incoming.number, file.name, target.number, name, 0) }
            } catch  where error.code == EEXIST {
                continue
            } catch  where error.code == ENOENT {
                return nil
            }
            unlinkat(incoming.number, file.name, 0)
            return "\(Self.setAsideDirectory)/\(name)"
        }
        preconditionFailure("there is always another number")
    }

    /// The upload whose file has this name.
    private static func upload(named name: String) -> Int64? {
        guard name.hasSuffix(".part"), let id = Int64(name.dropLast(5)), self.name(ofUpload: id) == name else {
            return nil
        }
        return id
    }
}
