import FileStore
import ChunkStore

/// Why there is no backup, or no restore: a line for each reason.
package struct BackupError: Error, CustomStringConvertible {
    package let lines: [String]

    package init(_ lines: String...) { self.lines = lines }

    init(lines: [String]) { self.lines = lines }

    package var description: String { lines.joined(separator: "\n") }
}

/// What a backup consists of, as the file `backup.txt` in it says:
///
///     video-intake backup 1
///     created 1795294292
///     version 0.3.0
///     contents all
///     files 2
///     9e107d9d372bb6826bd81d3542a419d6 52428800 upload/mp4/2026/11/original/17321600000001.mp4
///     e4d909c290d0fb1ca068ffaddf22cbd0 98304 video-intake.db
///     md5 1bc29b36f623ba82aaf6724fd3b16718
///
/// A line for each file: md5, bytes, and the path, in which `\n`, `\r` and `\\` stand for a line feed, a carriage return and
/// a backslash. The last line is the md5 of all lines before it.
package struct BackupList: Equatable, Sendable {
    package enum Contents: String, Sendable {
        case all
        /// The files of the videos are kept in another way.
        case catalogue
    }

    /// Seconds since 1970.
    package var created: Int64
    /// Of the program.
    package var version: String
    package var contents: Contents
    /// By path.
    package var files: [String: FileTransfer.Verified]

    package static let name = "backup.txt"
    package static let catalogue = "video-intake.db"
    private static let title = "video-intake backup 1"

    package init(created: Int64, version: String, contents: Contents, files: [String: FileTransfer.Verified] = [:]) {
        (self.created, self.version, self.contents, self.files) = (created, version, contents, files)
    }

    package var text: String {
        var lines = [
            Self.title, "created \(created)", "version \(version)", "contents \(contents.rawValue)",
            "files \(files.count)",
        ]
        for (path, file) in files.sorted(by: { $0.key < $1.key }) {
            lines.append("\(file.md5) \(file.size) \(Self.escaped(path))")
        }
        let text = lines.joined(separator: "\n") + "\n"
        return text + "md5 \(Self.md5(text))\n"
    }

    /// - Throws: `BackupError` if the text is not all of such a list.
    package init(text: String) throws(BackupError) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.first == Self.title[...] else { throw BackupError("its first line is not \"\(Self.title)\"") }
        guard lines.count > 6, lines.last == "", case let end = lines[lines.count - 2],
            end == "md5 \(Self.md5(lines.dropLast(2).joined(separator: "\n") + "\n"))"
        else { throw BackupError("it is not whole, or was changed: the last line is not the md5 of all others") }
        func value(_ line: Int, _ name: String) throws(BackupError) -> String {
            guard lines[line].hasPrefix(name + " ") else { throw BackupError("line \(line + 1) is not \(name)") }
            return String(lines[line].dropFirst(name.count + 1))
        }
        guard let created = Int64(try value(1, "created")), let count = Int(try value(4, "files")),
            let contents = Contents(rawValue: try value(3, "contents"))
        else { throw BackupError("one of its first lines cannot be understood") }
        self.init(created: created, version: try value(2, "version"), contents: contents)
        for (index, line) in lines.enumerated().dropFirst(5).dropLast(2) {
            let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0].count == 32, let size = Int(parts[1]),
                let path = Self.path(parts[2]), Self.isInside(path)
            else { throw BackupError("line \(index + 1) is not md5, size and path of a file") }
            files[path] = FileTransfer.Verified(size: size, md5: String(parts[0]))
        }
        guard files.count == count, files[Self.catalogue] != nil else {
            throw BackupError("it has \(files.count) files, not \(count), or no catalogue")
        }
    }

    private static func md5(_ text: String) -> String {
        var digest = MD5Digest()
        Array(text.utf8).withUnsafeBytes { digest.update($0) }
        return digest.finish()
    }

    private static func isInside(_ path: String) -> Bool {
        path == catalogue
            || path.hasPrefix("upload/")
                && !path.split(separator: "/", omittingEmptySubsequences: false).contains {
                    ["", ".", ".."].contains($0)
                }
    }

    private static func escaped(_ path: String) -> String {
        path.replacing("\\", with: "\\\\").replacing("\r\n", with: "\\r\\n").replacing("\n", with: "\\n")
            .replacing("\r", with: "\\r")
    }

    private static func path(_ text: Substring) -> String? {
        var (path, rest) = ("", text)
        while let character = rest.popFirst() {
            guard character == "\\" else {
                path.append(character)
                continue
            }
            switch rest.popFirst() {
            case "\\": path.append("\\")
            case "n": path.append("\n")
            case "r": path.append("\r")
            default: return nil
            }
        }
        return path
    }
}
