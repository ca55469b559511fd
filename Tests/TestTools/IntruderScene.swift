import Foundation
import Glibc

/// What Tests/Faults/intruder.c is after: files that are none of a tool's business, and sockets that listen.
package final class IntruderScene {
    package let directory: URL
    /// The compiled program.
    package let program: String
    private let listener: LocalSocket
    private let datagrams: Int32
    private let local: LocalSocket
    private let before: [String: String]

    /// The program has a directory of its own, which a sandbox shows.
    package init() throws {
        let directory = try makeTemporaryDirectory()
        self.directory = directory
        try Self.system("chmod", chmod(directory.path, 0o755))
        for name in ["bin", "data", "input", "output"] {
            try FileManager.default.createDirectory(
                at: directory.appendingPathComponent(name), withIntermediateDirectories: false)
        }
        program = directory.path + "/bin/intruder"
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Faults/intruder.c")
        let compiled = try ChildProcess.run("cc", ["-O1", "-Wall", "-o", program, source.path])
        guard compiled.end == .exit(0) else { throw Fault(description: "cc: \(compiled.output)\(compiled.errors)") }
        for name in ["data/catalogue", "data/video", "data/secret", "input/video"] {
            try Data("content".utf8).write(to: directory.appendingPathComponent(name))
            try Self.system("chmod", chmod("\(directory.path)/\(name)", 0o640))
        }
        listener = try LocalSocket(backlog: 8)
        datagrams = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        local = try LocalSocket(at: "\(directory.path)/socket", backlog: 8)
        before = Self.state(directory)
    }

    deinit {
        close(datagrams)
        try? FileManager.default.removeItem(at: directory)
    }

    package var input: String { directory.path + "/input/video" }
    package var output: String { directory.path + "/output" }

    /// The program with its arguments.
    package func command(parent: pid_t, hasOutput: Bool) -> [String] {
        let data = directory.path + "/data"
        return [
            program, "\(parent)", "\(data)/catalogue", "\(data)/video", "\(data)/secret", input,
            hasOutput ? output : "-", "\(directory.path)/socket", "\(listener.port)",
        ]
    }

    /// A script that is the program in ffmpeg's place, in a directory that is to be the first one of PATH: what it finds out
    /// is what it complains of. What a worker tries at its start it leaves to ffmpeg.
    ///
    /// - Parameters:
    ///   - catalogue: the file that it is after.
    ///   - video: another one.
    package func replaceFFmpeg(catalogue: String, video: String) throws -> String {
        let script = """
            #!/bin/sh
            case "$*" in */dev/zero*) exec /usr/bin/ffmpeg "$@" ;; esac
            for word in "$@"; do
                case "$word" in file:*) break ;; esac
            done
            exec '\(program)' "$PPID" '\(catalogue)' '\(video)' '\(directory.path)/data/secret' "${word#file:}" "$HOME" \
                '\(directory.path)/socket' \(listener.port) fail >&2

            """
        let path = directory.path + "/bin/ffmpeg"
        try Data(script.utf8).write(to: URL(fileURLWithPath: path))
        try Self.system("chmod", chmod(path, 0o755))
        return directory.path + "/bin"
    }

    /// Whether all that the program must not touch is as it was.
    package var isUntouched: Bool { Self.state(directory) == before && !listener.hasCaller }

    private struct Fault: Error {
        let description: String
    }

    /// Throws unless a system call succeeded.
    private static func system(_ call: String, _ result: Int32) throws {
        guard result == 0 else { throw Fault(description: "\(call): \(String(cString: strerror(errno)))") }
    }

    /// Modes, lengths and times by name.
    private static func state(_ directory: URL) -> [String: String] {
        var state: [String: String] = [:]
        for name in ["data", "input"] {
            let directory = "\(directory.path)/\(name)"
            for entry in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] {
                var status = stat()
                guard lstat("\(directory)/\(entry)", &status) == 0 else { continue }
                state["\(name)/\(entry)"] = "\(status.st_mode) \(status.st_size) \(status.st_ctim)"
            }
        }
        return state
    }
}
