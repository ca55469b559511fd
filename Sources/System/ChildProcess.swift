import CSystem
import Glibc

/// A child process in a sandbox: the one way in which programs are started. Killed with all it started when this value
/// goes.
///
/// It has a process group of its own, no signal blocked or ignored, nothing to read, no descriptor of this process, and an
/// environment of `PATH`, `LANG` and `HOME` only. It dies with the thread that has started it, so that thread waits for it.
package struct ChildProcess: ~Copyable {
    /// The leader of its process group.
    package let process: pid_t
    private let output: Descriptor
    private let complaints: Descriptor

    /// How a child ended.
    package enum End: Equatable, Sendable {
        case exit(Int32)
        case signal(Int32)
    }

    /// Why there is nothing to wait for any more.
    package enum Outcome: Equatable, Sendable {
        case ended(End)
        /// The child is killed for each of these.
        case timeLimit
        case outputLimit
        case cancelled
    }

    /// Starts a program of PATH in `directory`, which is its `HOME` too.
    /// - Throws: an error that names the step that failed, or the program.
    package init(_ command: [String], in directory: String, _ sandbox: Sandbox) throws(SystemError) {
        let output = try Pipe()
        let complaints = try Pipe()
        let nothing = try Descriptor(path: "/dev/null", O_RDONLY)
        let program = try Self.find(command[0])
        process = try sandbox.with(program: program).start(
            program, command, ["PATH=\(Self.path)", "LANG=C", "HOME=\(directory)"], in: directory,
            descriptors: [nothing.number, output.writing.number, complaints.writing.number])
        self.output = output.reading
        self.complaints = complaints.reading
    }

    deinit {
        // The group's number stays taken until its leader is waited for, so no stranger is hit.
        kill(-process, SIGKILL)
        while waitpid(process, nil, 0) < 0, errno == EINTR {}
    }

    /// Waits until the child has ended, and kills it if it must end sooner.
    /// - Parameters:
    ///   - outputLimit: bytes that it may write to standard output.
    ///   - isCancelled: asked ten times a second.
    ///   - receive: gets what the child writes to standard output, piece by piece.
    /// - Returns: how it ended, and the last lines that it wrote to standard error.
    package consuming func wait(
        until deadline: ContinuousClock.Instant, outputLimit: Int = .max, isCancelled: () -> Bool = { false },
        receive: (UnsafeRawBufferPointer) -> Void
    ) throws(SystemError) -> (outcome: Outcome, complaints: String) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 * 1024, alignment: 16)
        defer { buffer.deallocate() }
        var tail = OutputTail()
        var received = 0
        // A closed one is set to -1, which poll(2) passes over.
        var streams = [output.number, complaints.number].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while true {
            if isCancelled() { return (.cancelled, tail.text) }
            let left = (deadline - .now) / .milliseconds(1)
            if left <= 0 { return (.timeLimit, tail.text) }
            // Looked at first: what it wrote before its end is there then. What it started may keep the streams open.
            let end = try end()
            let isOpen = streams.contains { $0.fd >= 0 }
            let patience = end != nil ? 0 : Int32(min(left.rounded(.up), isOpen ? 100 : 5))
            let count = poll(&streams, nfds_t(streams.count), patience)
            if let end, count <= 0 { return (.ended(end), tail.text) }
            guard count > 0 else { continue }
            for index in streams.indices where streams[index].fd >= 0 && streams[index].revents != 0 {
                let number = streams[index].fd
                let count = try SystemError.check("read") { read(number, buffer.baseAddress, buffer.count) }
                let piece = UnsafeRawBufferPointer(rebasing: buffer.prefix(count))
                if count == 0 {
                    streams[index].fd = -1
                } else if index == 0 {
                    received += count
                    if received > outputLimit { return (.outputLimit, tail.text) }
                    receive(piece)
                } else {
                    tail.append(piece)
                }
            }
        }
    }

    /// How the child ended, `nil` if it has not. It stays a zombie, so that its number is not given to another one.
    private borrowing func end() throws(SystemError) -> End? {
        var state = siginfo_t()
        try SystemError.check("waitid") { waitid(P_PID, id_t(process), &state, WEXITED | WNOHANG | WNOWAIT) }
        let child = state._sifields._sigchld
        guard child.si_pid != 0 else { return nil }
        return state.si_code == Int32(CLD_EXITED) ? .exit(child.si_status) : .signal(child.si_status)
    }

    /// Both ends of a pipe.
    private struct Pipe: ~Copyable {
        let reading: Descriptor
        let writing: Descriptor

        init() throws(SystemError) {
            var ends: [Int32] = [-1, -1]
            try SystemError.check("pipe2") { vi_pipe(&ends) }
            reading = Descriptor(owning: ends[0])
            writing = Descriptor(owning: ends[1])
        }
    }

    private static var path: String { getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin" }

    /// The path of a program: as it is, or the first one in PATH that can be run.
    private static func find(_ name: String) throws(SystemError) -> String {
        if name.contains("/") { return name }
        let found = path.split(separator: ":").map { "\($0)/\(name)" as String }.first { Glibc.access($0, X_OK) == 0 }
        guard let found else { throw SystemError("execve \(name)", code: ENOENT) }
        return found
    }
}

/// The last bytes that a tool wrote, as text that is safe to show.
package struct OutputTail {
    /// Bytes that are kept.
    package static let limit = 4096

    private var bytes: [UInt8] = []
    private var isCut = false

    package init() {}

    /// Adds bytes; forgets the oldest if they are too many.
    package mutating func append(_ more: UnsafeRawBufferPointer) {
        bytes += more.suffix(Self.limit)
        if bytes.count > Self.limit {
            bytes.removeFirst(bytes.count - Self.limit)
            isCut = true
        }
    }

    /// What is kept, without a first line that is not whole, in lines separated by `\n`, each of them printable.
    package var text: String {
        let whole = isCut ? bytes.drop { $0 != UInt8(ascii: "\n") } : bytes[...]
        let text = String(decoding: whole, as: UTF8.self).printable(as: "?", keeping: "\n")
        // A replaced byte has become longer.
        let lines = text.split(separator: "\n")
        var kept: [Substring] = []
        var length = 0
        for line in lines.reversed() {
            length += line.utf8.count + 1
            if length > Self.limit + 1 { break }
            kept.append(line)
        }
        return kept.reversed().joined(separator: "\n")
    }
}

/// Processor time that a process and all it has started have used.
package enum ProcessorTime {
    /// Seconds of the processes that live and of those that were waited for; `nil` if the process is not there.
    ///
    /// What a process leaves behind, so that it has another parent, does not count any more. proc(5).
    package static func ofTree(_ process: pid_t) -> Double? {
        var ticks = 0
        var isThere = false
        var waiting = [process]
        // Nothing that is started here has more; a process that forks without end is ended by other limits.
        for _ in 0..<1000 {
            guard let next = waiting.popLast() else { break }
            guard let own = Self.ticks(next) else { continue }
            if next == process { isThere = true }
            ticks += own
            waiting += children(next)
        }
        return isThere ? Double(ticks) / Double(sysconf(Int32(_SC_CLK_TCK))) : nil
    }

    /// utime, stime, cutime and cstime.
    private static func ticks(_ process: pid_t) -> Int? {
        // The name, in parentheses, may be anything.
        guard let text = read("/proc/\(process)/stat"), let end = text.lastIndex(of: UInt8(ascii: ")")) else {
            return nil
        }
        let fields = text[(end + 1)...].split(separator: UInt8(ascii: " "))
        guard fields.count > 14 else { return nil }
        return fields[11...14].reduce(0) { $0 + (Int(String(decoding: $1, as: UTF8.self)) ?? 0) }
    }

    private static func children(_ process: pid_t) -> [pid_t] {
        guard let tasks = try? Descriptor(directory: "/proc/\(process)/task").names() else { return [] }
        return tasks.flatMap { task in
            (read("/proc/\(process)/task/\(task)/children") ?? []).split(separator: UInt8(ascii: " ")).compactMap {
                pid_t(String(decoding: $0, as: UTF8.self))
            }
        }
    }

    private static func read(_ path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(file, &bytes, bytes.count)
        return count > 0 ? Array(bytes.prefix(count)) : nil
    }
}
