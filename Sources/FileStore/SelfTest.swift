import ChunkStore
import Glibc
import System

extension FileChunkStore {
    /// Does once all that an upload needs of the file system, with the calls that an upload makes: what a service manager
    /// or the file system does not allow is known before the first of them comes.
    ///
    /// Nothing of it is left; what is left of one that was killed, the next one removes. Several processes take turns.
    /// - Parameter bodyDirectory: where a web server puts request bodies; `nil` if only the store is to be tested.
    /// - Returns: whether all was done; `false` if there is no room for it.
    /// - Throws: `SystemError` with the call that failed, and where.
    package func selfTest(bodyDirectory: String? = nil) throws(SystemError) -> Bool {
        let turn = try named(directoryPath) { () throws(SystemError) in try takeTurn() }
        removeSelfTest(bodyDirectory)
        defer { removeSelfTest(bodyDirectory) }
        do throws(SystemError) {
            let spool = try named(directoryPath) { () throws(SystemError) in
                let spool = try StoredFile(unnamedIn: incoming)
                try Self.fill(spool)
                return spool
            }
            var source = spool
            if let bodyDirectory {
                source = try named(bodyDirectory) { () throws(SystemError) in try testBody(in: bodyDirectory) }
            }
            try named(directoryPath) { () throws(SystemError) in
                try testUpload(of: .file(source, 0..<Self.selfTestBytes.count))
            }
        } catch  where error.isDiskFull {
            return false
        }
        _ = turn  // locked until here
        return true
    }

    /// The first of the directories of a store in `directory` that is a symbolic link. No file is opened or published through
    /// one: what is opened is what has the name. `directory` itself may be a link.
    package static func linkedDirectory(in directory: String) -> String? {
        ["incoming", "upload", "upload/mp4", setAsideDirectory, trashDirectory].lazy.map { "\(directory)/\($0)" }.first
        {
            var status = stat()
            return lstat($0, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
        }
    }

    /// No upload has this number.
    private static let selfTestUpload: Int64 = 0
    private static let selfTestDirectory = "upload/self-test"
    private static let selfTestBody = "self-test"
    /// More than one page.
    private static let selfTestBytes = [UInt8](repeating: 0x5A, count: 10_000)

    private func takeTurn() throws(SystemError) -> Descriptor {
        // As videos are opened: RestrictSUIDSGID= of systemd 252 forbids this call.
        let turn = try Descriptor(beneath: directory, "incoming", O_RDONLY | O_DIRECTORY)
        try turn.lock()
        return turn
    }

    private func removeSelfTest(_ bodyDirectory: String?) {
        removeUpload(Self.selfTestUpload)
        _ = try? removePublished(Self.selfTestDirectory)
        if let bodyDirectory { unlink("\(bodyDirectory)/\(Self.selfTestBody)") }
    }

    private static func fill(_ file: StoredFile) throws(SystemError) {
        var position = 0
        while position < selfTestBytes.count {
            let (number, offset) = (file.descriptor.number, position)
            position += try SystemError.check("pwrite") {
                selfTestBytes[offset...].withUnsafeBytes { pwrite(number, $0.baseAddress, $0.count, off_t(offset)) }
            }
        }
    }

    /// Makes a file as a web server does, and opens it as a request's body.
    private func testBody(in path: String) throws(SystemError) -> StoredFile {
        let parent = try Descriptor(directory: path)
        try Self.fill(
            StoredFile(try Descriptor(at: parent, Self.selfTestBody, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)))
        return StoredFile(try Descriptor(beneath: parent, Self.selfTestBody, O_RDONLY | O_NONBLOCK))
    }

    /// From the first chunk to the published video.
    private func testUpload(of content: Content) throws(SystemError) {
        let id = Self.selfTestUpload
        let (file, _) = try makeUpload(id)
        try file.lock(0..<content.length, within: 1)
        try file.write(content, at: 0)
        file.unlock(0..<content.length)
        let path = "\(Self.selfTestDirectory)/video"
        guard try names(of: file, ifUpload: id) == 1, try publish(id, file, as: path),
            try openPublished(path).matches(content, at: 0)
        else { throw SystemError("reading back", code: EIO) }
        // Its other two removals tell nothing.
        try SystemError.check("unlinkat") { unlinkat(incoming.number, Self.name(ofUpload: id), 0) }
        _ = try remove(Self.selfTestDirectory)
    }

    private func named<Result: ~Copyable>(
        _ place: String, _ body: () throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        do throws(SystemError) {
            return try body()
        } catch {
            throw SystemError("\(error.operation) in \(place)", code: error.code)
        }
    }
}
