import CPlatform
import ChunkStore
import Glibc
import System

/// A child process that works on media from strangers: killed with all it started when this value goes.
///
/// It has a process group of its own, no signal blocked, nothing to read, no descriptor of this process, and an
/// environment of `PATH`, `LANG` and `HOME` only. The thread that starts it must live as long as it does, because the
/// child may ask to die with it (see `ToolSandbox`): whoever starts it waits for it.
///
/// The child is started with posix_spawn(3): Foundation's `Process` keeps a pipe open for every child it ever had.
struct MediaTool: ~Copyable {
    /// The leader of its process group.
    let process: pid_t
    private let output: Descriptor
    private let complaints: Descriptor

    /// How a child ended.
    enum End: Equatable {
        case exit(Int32)
        case signal(Int32)
    }

    /// Starts a program of PATH in `directory`, which is its `HOME` too.
    init(_ command: [String], in directory: String) throws(SystemError) {
        let output = try Pipe()
        let complaints = try Pipe()
        process = try Self.spawn(command, in: directory, output: output, complaints: complaints)
        self.output = output.reading
        self.complaints = complaints.reading
    }

    deinit {
        // The group's number stays taken until its leader is waited for, so no stranger is hit.
        kill(-process, SIGKILL)
        while waitpid(process, nil, 0) < 0, errno == EINTR {}
    }

    /// Waits until the child has ended, and kills it if it must end sooner.
    ///
    /// - Parameters:
    ///   - isCancelled: asked ten times a second.
    ///   - receive: gets what the child writes to standard output, piece by piece.
    /// - Returns: how it ended, and the last lines that it wrote to standard error.
    /// - Throws: `timeLimit`, `cancelled`, `io`, and what `receive` throws.
    consuming func wait(
        until deadline: ContinuousClock.Instant, isCancelled: () -> Bool,
        receive: (UnsafeRawBufferPointer) throws(TranscodingError) -> Void
    ) throws(TranscodingError) -> (end: End, complaints: String) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 * 1024, alignment: 16)
        defer { buffer.deallocate() }
        var tail = OutputTail()
        // A closed one is set to -1, which poll(2) passes over.
        var streams = [output.number, complaints.number].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while true {
            if isCancelled() { throw TranscodingError(.cancelled, "cancelled") }
            let left = (deadline - .now) / .milliseconds(1)
            if left <= 0 {
                throw TranscodingError(.timeLimit, "it took longer than it may", output: tail.text)
            }
            // Looked at first: what it wrote before its end is there then. What it started may keep the streams open.
            let end = try end()
            let isOpen = streams.contains { $0.fd >= 0 }
            let patience = end != nil ? 0 : Int32(min(left.rounded(.up), isOpen ? 100 : 5))
            let count = poll(&streams, nfds_t(streams.count), patience)
            if let end, count <= 0 { return (end, tail.text) }
            guard count > 0 else { continue }
            for index in streams.indices where streams[index].fd >= 0 && streams[index].revents != 0 {
                let number = streams[index].fd
                let count = try io { () throws(SystemError) in
                    try SystemError.check("read") { read(number, buffer.baseAddress, buffer.count) }
                }
                let piece = UnsafeRawBufferPointer(rebasing: buffer.prefix(count))
                if count == 0 {
                    streams[index].fd = -1
                } else if index == 0 {
                    try receive(piece)
                } else {
                    tail.append(piece)
                }
            }
        }
    }

    /// How the child ended, `nil` if it has not. It stays a zombie, so that its number is not given to another one.
    private borrowing func end() throws(TranscodingError) -> End? {
        var state = siginfo_t()
        try io { () throws(SystemError) in
            _ = try SystemError.check("waitid") { waitid(P_PID, id_t(process), &state, WEXITED | WNOHANG | WNOWAIT) }
        }
        let child = state._sifields._sigchld
        guard child.si_pid != 0 else { return nil }
        return state.si_code == Int32(CLD_EXITED) ? .exit(child.si_status) : .signal(child.si_status)
    }
}

// MARK: - Starting

extension MediaTool {
    /// Both ends of a pipe.
    private struct Pipe: ~Copyable {
        let reading: Descriptor
        let writing: Descriptor

        init() throws(SystemError) {
            var ends: [Int32] = [-1, -1]
            _ = try SystemError.check("pipe2") { pipe2(&ends, O_CLOEXEC) }
            reading = Descriptor(owning: ends[0])
            writing = Descriptor(owning: ends[1])
        }
    }

    private static func spawn(
        _ command: [String], in directory: String, output: borrowing Pipe, complaints: borrowing Pipe
    ) throws(SystemError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output.writing.number, 1)
        posix_spawn_file_actions_adddup2(&actions, complaints.writing.number, 2)
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        posix_spawn_file_actions_addchdir_np(&actions, directory)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var noSignals = sigset_t()
        sigemptyset(&noSignals)
        posix_spawnattr_setsigmask(&attributes, &noSignals)
        // A signal that this process ignores would stay ignored.
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
        func strings(_ list: [String]) -> [UnsafeMutablePointer<CChar>?] { list.map { strdup($0) } + [nil] }
        var arguments = strings(command)
        var environment = strings(["PATH=\(path)", "LANG=C", "HOME=\(directory)"])
        defer { (arguments + environment).forEach { free($0) } }
        var process: pid_t = 0
        let code = posix_spawnp(&process, command[0], &actions, &attributes, &arguments, &environment)
        guard code == 0 else { throw SystemError("posix_spawnp \(command[0])", code: code) }
        return process
    }
}

/// Runs something of the store and turns its error into one of transcoding.
func io<Result: ~Copyable>(_ body: () throws(SystemError) -> Result) throws(TranscodingError) -> Result {
    do throws(SystemError) {
        return try body()
    } catch {
        throw TranscodingError(error)
    }
}
