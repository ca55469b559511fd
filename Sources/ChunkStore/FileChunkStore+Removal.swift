import Glibc
import System

extension FileChunkStore {
    package func removePublished(_ path: String) throws(SystemError) -> Int {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count > 1, parts[0] == "upload", !parts.contains(where: ["", ".", ".."].contains) else {
            throw SystemError("remove \(path), which is not below upload/,", code: EINVAL)
        }
        do throws(SystemError) {
            let upload = try Descriptor(at: directory, "upload", O_RDONLY | O_DIRECTORY)
            let above = parts.dropFirst().dropLast().joined(separator: "/")
            let parent = try Descriptor(beneath: upload, above.isEmpty ? "." : above, O_RDONLY | O_DIRECTORY)
            let bytes = try parent.removeTree(parts.last!)
            try parent.sync()
            return bytes
        } catch  where error.code == ENOENT {
            return 0
        }
    }
}
