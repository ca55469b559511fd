import Glibc
import Model
import System

/// What was made of a video. Paths are relative to the directory that is published.
package struct TranscodingResult: Equatable, Sendable {
    /// The uploaded file; its duration is known.
    package let source: MediaInformation
    /// `nil` if the profile does not want it.
    package var mp4: MP4?
    /// The stream's qualities, the best one first; empty if the profile wants none.
    package var renditions: [Rendition] = []
    package var hasPoster = false
    package var thumbnails: Thumbnails?
    /// What is wrong with the source, though it plays.
    package var flaws: Set<VideoFlaw> = []
    /// Bytes of all files together.
    package var size = 0

    package static let mp4Path = "video.mp4"
    package static let masterPath = "hls/master.m3u8"
    package static let posterPath = "poster.jpg"
    package static let thumbnailsPath = "thumbnails.jpg"
    package static let cuesPath = "thumbnails.vtt"

    package struct MP4: Equatable, Sendable {
        /// As it is shown.
        package let size: PictureSize
        /// Whether the stream is the uploaded one, packet by packet.
        package let hasCopiedVideo: Bool
        package let hasCopiedAudio: Bool
    }

    package struct Rendition: Equatable, Sendable {
        /// The height of its frame, which is the name of its directory too.
        package let height: Int
        package let size: PictureSize
        /// The most and the average bits per second.
        package let bandwidth: Int
        package let averageBandwidth: Int
    }

    /// The small pictures of the time line, row by row in one picture.
    package struct Thumbnails: Equatable, Sendable {
        package let count: Int
        package let columns: Int
        /// Of one.
        package let size: PictureSize
        /// Seconds from one to the next.
        package let interval: Double
    }
}

/// The directory that a video's files are made in, and that becomes the published one.
struct ResultDirectory {
    let path: String

    /// Creates the directory at `path`, whose parent must exist, without anything in it: what an attempt that did not
    /// end has left is removed.
    init(emptying path: String) throws(TranscodingError) {
        self.path = path
        try Self.remove(path)
        try io { () throws(SystemError) in _ = try SystemError.check("mkdir") { mkdir(path, 0o755) } }
    }

    func makeDirectory(_ name: String) throws(TranscodingError) {
        try io { () throws(SystemError) in _ = try SystemError.check("mkdir") { mkdir("\(path)/\(name)", 0o755) } }
    }

    /// - Parameter replaces: whether what is there is replaced. Without it there must be nothing.
    func write(_ text: String, to name: String, replaces: Bool = false) throws(TranscodingError) {
        try io { () throws(SystemError) in
            // A tool may have put a link where a directory was.
            let parts = name.split(separator: "/")
            let above = parts.dropLast().joined(separator: "/")
            let parent = try Descriptor(
                beneath: try Descriptor(directory: path), above.isEmpty ? "." : above, O_RDONLY | O_DIRECTORY)
            if replaces {
                _ = try SystemError.check("unlinkat") { unlinkat(parent.number, String(parts.last ?? ""), 0) }
            }
            let file = StoredFile(
                try Descriptor(at: parent, String(parts.last ?? ""), O_WRONLY | O_CREAT | O_EXCL, mode: 0o644))
            try Array(text.utf8).withUnsafeBufferPointer { bytes throws(SystemError) in
                try file.write(UnsafeRawBufferPointer(bytes), at: 0)
            }
        }
    }

    /// Opens a file for reading: a regular one, strictly below the directory.
    /// - Throws: `toolFailed` if there is none.
    func open(_ name: String) throws(TranscodingError) -> StoredFile {
        do throws(SystemError) {
            let directory = try Descriptor(directory: path)
            let file = StoredFile(try Descriptor(beneath: directory, name, O_RDONLY | O_NONBLOCK))
            if try file.descriptor.status().st_mode & S_IFMT == S_IFREG { return file }
        } catch  where error.code != ENOENT && error.code != ELOOP {
            throw TranscodingError(error)
        } catch {}
        throw TranscodingError(.toolFailed, "\(name) is missing")
    }

    /// Reads a whole file.
    /// - Throws: `toolFailed` if it has more bytes than `limit`.
    func read(_ name: String, limit: Int) throws(TranscodingError) -> [UInt8] {
        let file = try open(name)
        let length = try io { () throws(SystemError) in try file.length() }
        guard length <= limit else { throw TranscodingError(.toolFailed, "\(name) has more than \(limit) bytes") }
        var bytes: [UInt8] = []
        try io { () throws(SystemError) in try file.forEachPiece(of: 0..<length) { bytes += $0 } }
        return bytes
    }

    /// Removes a file that is directly in the directory. Harmless if there is none.
    func removeFile(_ name: String) throws(TranscodingError) {
        do throws(SystemError) {
            let directory = try Descriptor(directory: path)
            _ = try SystemError.check("unlinkat") { unlinkat(directory.number, name, 0) }
        } catch  where error.code == ENOENT {
        } catch {
            throw TranscodingError(error)
        }
    }

    /// Makes all files and directories durable.
    /// - Returns: the bytes of all files.
    /// - Throws: `toolFailed` if there is anything but files and directories: a link could show what is elsewhere.
    func sync() throws(TranscodingError) -> Int {
        try Self.sync(try io { () throws(SystemError) in StoredFile(try Descriptor(directory: path)) }, depth: 0)
    }

    private static func sync(_ entry: StoredFile, depth: Int) throws(TranscodingError) -> Int {
        let status = try io { () throws(SystemError) in try entry.descriptor.status() }
        var size = 0
        switch status.st_mode & S_IFMT {
        case S_IFREG: size = Int(status.st_size)
        case S_IFDIR where depth < 8:
            for name in try io({ () throws(SystemError) in try entry.descriptor.names() }) {
                size += try sync(try open(name, in: entry), depth: depth + 1)
            }
        default: throw TranscodingError(.toolFailed, "a tool left something that is no file")
        }
        try io { () throws(SystemError) in try entry.descriptor.sync() }
        return size
    }

    /// Bytes of all files. What a tool changes meanwhile counts or not.
    func size() throws(TranscodingError) -> Int {
        try io { () throws(SystemError) in try Self.size(of: Descriptor(directory: path), depth: 0) }
    }

    private static func size(of directory: consuming Descriptor, depth: Int) throws(SystemError) -> Int {
        var size = 0
        let number = directory.number
        for name in try directory.names() {
            var status = stat()
            guard fstatat(number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFREG: size += Int(status.st_size)
            case S_IFDIR where depth < 8:
                do throws(SystemError) {
                    size += try Self.size(of: Descriptor(at: directory, name, O_RDONLY | O_DIRECTORY), depth: depth + 1)
                } catch  where error.code == ENOENT || error.code == ENOTDIR || error.code == ELOOP {}
            default: break
            }
        }
        return size
    }

    /// Opens an entry of a directory without following a link or waiting for the other end of a pipe.
    private static func open(_ name: String, in directory: StoredFile) throws(TranscodingError) -> StoredFile {
        do throws(SystemError) {
            return StoredFile(try Descriptor(at: directory.descriptor, name, O_RDONLY | O_NONBLOCK))
        } catch  where error.code == ELOOP || error.code == ENXIO {
            throw TranscodingError(.toolFailed, "a tool left something that is no file: \(name)")
        } catch {
            throw TranscodingError(error)
        }
    }

    /// Removes a directory with all that is in it. Harmless if there is none.
    static func remove(_ path: String) throws(TranscodingError) {
        do throws(SystemError) {
            let parts = path.split(separator: "/")
            let parent = try Descriptor(directory: "/" + parts.dropLast().joined(separator: "/"))
            _ = try parent.removeTree(String(parts.last ?? ""))
        } catch  where error.code == ENOENT {
        } catch {
            throw TranscodingError(error)
        }
    }
}
