import CSystem
import Glibc
import System

extension Transcoder {
    /// A file that marks a directory whose place another one takes.
    private static let superseded = ".superseded"

    /// Puts a finished directory in its final place, in one step, atomically: all of the old one or all of the new
    /// one. The names are durable when this returns.
    ///
    /// Repeating it is harmless, also after a crash at any point. What was in the final place is removed. Both paths must
    /// be on one file system, and their parents exist. Not to be called twice at once for one path.
    /// - Throws: `io` or `noSpace`; the final place has what it had before then, or the new directory whose name may not
    ///   survive power loss.
    package static func publish(_ workDirectory: String, as path: String) throws(TranscodingError) {
        if hasMark(workDirectory) {
            // They have changed places already, and a crash came before the old one was removed.
            try ResultDirectory.remove(workDirectory)
        } else if rename(workDirectory, path) != 0 {
            switch errno {
            case ENOENT where exists(path) && !exists(workDirectory): break
            case EEXIST, ENOTEMPTY:
                try io { () throws(SystemError) in
                    // Only this tells afterwards which of the two is the old one.
                    let mark = try SystemError.check("open") {
                        open("\(path)/\(superseded)", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
                    }
                    close(mark)
                    _ = try SystemError.check("renameat2") { vi_exchange(workDirectory, path) }
                }
                try syncParent(of: path)
                try ResultDirectory.remove(workDirectory)
            case let code: throw TranscodingError(SystemError("rename", code: code))
            }
        }
        try syncParent(of: path)
        try syncParent(of: workDirectory)
    }

    /// Removes a work directory with all that is in it. Harmless if there is none.
    package static func remove(_ workDirectory: String) throws(TranscodingError) {
        try ResultDirectory.remove(workDirectory)
    }

    private static func hasMark(_ directory: String) -> Bool { exists("\(directory)/\(superseded)") }

    private static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    private static func syncParent(of path: String) throws(TranscodingError) {
        let parent = path.split(separator: "/").dropLast().joined(separator: "/")
        try io { () throws(SystemError) in try Descriptor(directory: "/" + parent).sync() }
    }
}
