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
    ///
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
    ///
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
        _ = try SystemError.check("waitid") { waitid(P_PID, id_t(process), &state, WEXITED | WNOHANG | WNOWAIT) }
        let child = state._sifields._sigchld
        guard child.si_pid != 0 else { return nil }
        return state.si_code == Int32(CLD_EXITED) ? .exit(child.si_status) : .signal(child.si_status)
    }
}

extension ChildProcess {
    /// Both ends of a pipe.
    private struct Pipe: ~Copyable {
        let reading: Descriptor
        let writing: Descriptor

        init() throws(SystemError) {
            var ends: [Int32] = [-1, -1]
            _ = try SystemError.check("pipe2") { vi_pipe(&ends) }
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
