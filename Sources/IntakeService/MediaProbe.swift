import CPlatform
import ChunkStore
import Foundation
import Glibc
import Logging
import System
import Uploads

/// The duration of a video, from ffprobe in a child process, which ends when its time is up, or this process is.
///
/// Media from strangers is never parsed in this process. The container is named and only files may be opened, so that
/// nothing in the file can lead ffprobe elsewhere.
///
/// The child is started with posix_spawn(3): Foundation's `Process` keeps a pipe open for every child it ever had, and
/// a child of an asynchronous function would need a thread of the pool, all of which may be waiting for one.
struct MediaProbe: ~Copyable {
    private let process: pid_t
    private let output: Descriptor
    private let deadline: ContinuousClock.Instant

    /// Who waits for the result.
    enum Haste {
        /// A request: it gets the result, or none, within 5 s.
        case request
        /// Nobody: what requests do comes first, so that it may take a minute.
        case background
    }

    /// Starts ffprobe on the file at `path`.
    init(path: String, container: Container, haste: Haste) throws(SystemError) {
        try self.init(
            (haste == .background ? ["nice", "-n", "19"] : []) + [
                "ffprobe", "-v", "quiet", "-protocol_whitelist", "file", "-f", container.demuxer,
                "-show_entries", "format=duration", "-of", "default=noprint_wrappers=1:nokey=1",
                "-i", "file:\(path)",
            ], within: haste == .request ? 5 : 60)
    }

    /// - Parameter complains: whether what it writes to standard error is read too.
    private init(_ command: [String], within seconds: Double, complains: Bool = false) throws(SystemError) {
        deadline = .now + .seconds(seconds)
        var ends: [Int32] = [-1, -1]
        _ = try SystemError.check("pipe2") { pipe2(&ends, O_CLOEXEC) }
        let (output, input) = (ends[0], ends[1])
        defer { close(input) }
        do throws(SystemError) {
            process = try Self.spawn(
                ["setpriv", "--pdeathsig", "KILL"] + command, output: input, complaints: complains ? input : nil)
        } catch {
            close(output)
            throw error
        }
        self.output = Descriptor(owning: output)
    }

    /// Starts ffprobe as it is started for a video.
    ///
    /// - Returns: `nil` if it works, else the last line that it writes.
    static func complaint() throws(SystemError) -> String? {
        let text =
            try MediaProbe(["nice", "-n", "19", "ffprobe", "-version"], within: 20, complains: true).text() ?? ""
        let lines = text.split(separator: "\n")
        return lines.contains { $0.hasPrefix("ffprobe version") } ? nil : lines.last.map(String.init) ?? "no answer"
    }

    deinit {
        // It has ended when its output has; a child that has not is not needed any more.
        kill(process, SIGKILL)
        while waitpid(process, nil, 0) < 0, errno == EINTR {}
    }

    /// Waits for the result: seconds, or `nil` if ffprobe could not tell in time.
    consuming func wait() -> Double? {
        guard let line = text()?.split(separator: "\n").first, let seconds = Double(line), seconds.isFinite,
            seconds >= 0
        else { return nil }
        return (seconds * 1000).rounded() / 1000
    }

    /// What it writes, the first 4 KiB at least; `nil` if it takes too long.
    private consuming func text() -> String? {
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 256)
        while text.count < 4096 {
            let left = deadline - .now
            guard left > .zero else { return nil }
            var event = pollfd(fd: output.number, events: Int16(POLLIN), revents: 0)
            guard poll(&event, 1, Int32(left.components.seconds * 1000 + 1000)) > 0 else { continue }
            let count = read(output.number, &buffer, buffer.count)
            guard count > 0 else { break }
            text += buffer.prefix(count)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Starts a program of PATH in a process group of its own, with no signal blocked, nothing to read and, where
    /// none is given, no place for its complaints.
    private static func spawn(_ command: [String], output: Int32, complaints: Int32?) throws(SystemError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        if let complaints {
            posix_spawn_file_actions_adddup2(&actions, complaints, 2)
        } else {
            posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var noSignals = sigset_t()
        sigemptyset(&noSignals)
        posix_spawnattr_setsigmask(&attributes, &noSignals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))

        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var process: pid_t = 0
        let code = posix_spawnp(&process, command[0], &actions, &attributes, &arguments, vi_environment())
        guard code == 0 else { throw SystemError("posix_spawnp \(command[0])", code: code) }
        return process
    }
}
