import Foundation
import Glibc

/// A child process, in a process group of its own, that does not outlive this process. Thread-safe.
package final class ChildProcess: Sendable {
    /// How a process ended.
    package enum End: Equatable, Sendable {
        case exit(Int32)
        case signal(Int32)
    }

    package let id: pid_t
    private let end: Locked<End?> = Locked(nil)

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - program: a path, or a name to look for.
    ///   - environment: all of it.
    ///   - input: the descriptor to be its standard input; /dev/null by default.
    ///   - output: the file that its standard output is appended to.
    ///   - errors: the file that its standard error is appended to.
    package init(
        _ program: String, _ arguments: [String], environment: [String: String], directory: String,
        input: Int32? = nil, output: String, errors: String
    ) throws {
        let path = try Self.find(program)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_APPEND, 0o644)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)

        var id = pid_t()
        // env(1) becomes the program; posix_spawn itself cannot change the directory without _GNU_SOURCE.
        let code = withPointers(["env", "--chdir=\(directory)", path] + arguments) { arguments in
            withPointers(environment.map { "\($0)=\($1)" }) { environment in
                posix_spawn(&id, "/usr/bin/env", &actions, &attributes, arguments, environment)
            }
        }
        guard code == 0 else { throw HTTPConnection.Fault.system(call: "posix_spawn \(path)", code: code) }
        self.id = id
        ProcessGuard.add(id)
    }

    deinit { stop(within: 0) }

    /// Sends a signal, if the process has not ended.
    package func signal(_ signal: Int32) {
        end.withLock { if $0 == nil { _ = kill(id, signal) } }
    }

    /// How it ended; `nil` while it runs.
    package func poll() -> End? {
        end.withLock { end in
            if let end { return end }
            var status: Int32 = 0
            guard waitpid(id, &status, WNOHANG) == id else { return nil }
            end = status & 0x7f == 0 ? .exit(status >> 8 & 0xff) : .signal(status & 0x7f)
            ProcessGuard.remove(id)
            return end
        }
    }

    /// Waits for its end, at most so many seconds.
    @discardableResult
    package func wait(within seconds: Double) -> End? {
        _ = eventually(within: seconds) { poll() != nil }
        return poll()
    }

    /// Asks it to end, and kills its process group if it does not in time.
    @discardableResult
    package func stop(with signal: Int32 = SIGTERM, within seconds: Double = 15) -> End? {
        if let end = poll() { return end }
        if seconds > 0 { self.signal(signal) }
        if let end = wait(within: seconds) { return end }
        end.withLock { if $0 == nil { _ = kill(-id, SIGKILL) } }
        return wait(within: 10)
    }

    private static func find(_ program: String) throws -> String {
        if program.contains("/") { return program }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        // Debian keeps nginx where an ordinary user does not look.
        for directory in path.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin"] {
            let candidate = "\(directory)/\(program)"
            if access(candidate, X_OK) == 0 { return candidate }
        }
        throw HTTPConnection.Fault.system(call: "find \(program)", code: ENOENT)
    }

    /// The environment of this process without the product's settings, those of this machine included, and without what
    /// systemd tells the units that it starts.
    package static var plainEnvironment: [String: String] {
        let units = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "INVOCATION_ID", "JOURNAL_STREAM"]
        return ProcessInfo.processInfo.environment
            .filter { !$0.key.hasPrefix("VIDEO_INTAKE_") && !units.contains($0.key) }
            .merging(["VIDEO_INTAKE_CONFIG": "/dev/null"]) { $1 }
    }

    /// Runs a program to its end, at most so many seconds.
    package static func run(
        _ program: String, _ arguments: [String], environment: [String: String] = ChildProcess.plainEnvironment,
        within seconds: Double = 60
    ) throws -> (end: End?, output: String, errors: String) {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let (output, errors) = (directory.path + "/output", directory.path + "/errors")
        let child = try ChildProcess(
            program, arguments, environment: environment, directory: directory.path, output: output, errors: errors)
        let end = child.wait(within: seconds)
        child.stop(within: 0)
        return (end, textOfFile(output), textOfFile(errors))
    }
}

/// Kills this process's children when it has ended, however it does.
///
/// A shell that waits for the end of a connection whose other end only this process has.
private enum ProcessGuard {
    private static let script = """
        declare -A groups
        while read -r what group; do
            if [[ "$what" == add ]]; then groups[$group]=1; else unset "groups[$group]"; fi
        done
        for group in "${!groups[@]}"; do kill -s KILL -- "-$group"; done
        """

    private static let channel: Int32 = {
        var ends: [Int32] = [0, 0]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else { return -1 }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        var id = pid_t()
        _ = withPointers(["bash", "-c", script]) { arguments in
            withPointers([]) { posix_spawnp(&id, "bash", &actions, &attributes, arguments, $0) }
        }
        close(ends[0])
        return ends[1]
    }()

    static func add(_ group: pid_t) { tell("add \(group)\n") }
    static func remove(_ group: pid_t) { tell("remove \(group)\n") }

    private static func tell(_ line: String) {
        _ = Array(line.utf8).withUnsafeBytes { write(channel, $0.baseAddress, $0.count) }
    }
}

/// Runs `body` with the strings as C has them, the last pointer being null.
private func withPointers<Result>(
    _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers = strings.map { strdup($0) } + [nil]
    defer { pointers.forEach { free($0) } }
    return pointers.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
}

/// Asks until the answer is yes, at most so many seconds. Returns the last answer.
@discardableResult
package func eventually(within seconds: Double = 20, _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while true {
        if try condition() { return true }
        if ContinuousClock.now >= deadline { return false }
        usleep(5_000)
    }
}

/// The command lines of the processes that work in a directory or below it, whoever has started them.
package func processes(workingBelow directory: URL) -> [String] {
    let root = directory.resolvingSymlinksInPath().path
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return all.filter { Int($0) != nil }.filter { process in
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/cwd")
        return target?.hasPrefix(root + "/") == true && !textOfFile("/proc/\(process)/status").contains("\nState:\tZ")
    }.map { textOfFile("/proc/\($0)/cmdline").replacing("\0", with: " ") }
}
