import Foundation
import Glibc
import System
import TestTools
import Testing
import class TestTools.Locked

/// Child processes: what they get, how they end.
@Suite struct ChildProcessTests {
    @Test("a child's output, complaints and end come back")
    func ends() throws {
        let (outcome, output, complaints) = try run(["sh", "-c", "echo out; echo err >&2; exit 3"])
        #expect(outcome == .ended(.exit(3)) && output == "out\n" && complaints == "err")
        #expect(try run(["perl", "-e", "kill TERM => $$"]).outcome == .ended(.signal(SIGTERM)))
    }

    @Test("a child has no environment, descriptor or blocked signal of ours, and nothing to read")
    func surroundings() throws {
        let descriptor = open("/dev/zero", O_RDONLY)
        defer { close(descriptor) }
        setenv("VIDEO_INTAKE_TEST_SECRET", "secret", 1)
        let names = try run(["sh", "-c", "env | cut -d= -f1 | sort"]).output
        // Those after the first three are the shell's.
        #expect(
            Set(names.split(separator: "\n")).subtracting(["PWD", "SHLVL", "_", "OLDPWD"]) == ["HOME", "LANG", "PATH"])
        #expect(try run(["sh", "-c", "ls /proc/self/fd | wc -l; wc -c; pwd"]).output == "4\n0\n/\n")
        // A signal that this process ignores or blocks would stay so.
        signal(SIGUSR1, SIG_IGN)
        defer { signal(SIGUSR1, SIG_DFL) }
        let status = try run(["grep", "-E", "SigBlk|SigIgn|NoNewPrivs", "/proc/self/status"]).output
        #expect(status == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nNoNewPrivs:\t1\n")
    }

    @Test("a child that does not end is killed with everything it has started")
    func killed() throws {
        let mark = "mark-\(UUID().uuidString)"
        let outcome = try run(
            ["sh", "-c", "(trap '' TERM; sleep 300) & sh -c 'sleep 300; : \(mark)' & wait; : \(mark)"], seconds: 0.5
        ).outcome
        #expect(outcome == .timeLimit)
        #expect(eventually { processes(with: mark).isEmpty }, "\(processes(with: mark))")
    }

    @Test("what a child has started and left does not keep anybody waiting, and does not live on")
    func leftBehind() throws {
        let mark = "mark-\(UUID().uuidString)"
        let start = ContinuousClock.now
        // Not even with a session of its own.
        let end = try run(
            ["sh", "-c", "echo begun; sh -c 'sleep 300; : \(mark)' & setsid sh -c 'sleep 300; : \(mark)' & exit 0"])
        #expect(end.outcome == .ended(.exit(0)) && end.output == "begun\n")
        #expect(ContinuousClock.now - start < .seconds(10))
        // The kernel takes a moment for its end.
        #expect(eventually { processes(with: mark).isEmpty }, "\(processes(with: mark))")
    }

    @Test("a child that writes more than it may is ended, and one that is cancelled")
    func ended() throws {
        #expect(try run(["yes"], outputLimit: 100_000).outcome == .outputLimit)
        #expect(try run(["sleep", "300"], isCancelled: { true }).outcome == .cancelled)
    }

    @Test("no child is left, not even as a zombie, and no descriptor")
    func leaks() throws {
        func pipes() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").filter { name in
                let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)")
                return target?.hasPrefix("pipe:") == true
            }.count
        }
        for _ in 0..<20 {
            _ = try run(["true"])
            _ = try run(["sleep", "299"], seconds: 0.01)
            _ = try run(["sleep", "299"], isCancelled: { true })
            _ = try? run(["no-such-tool"])
            _ = try? run(["/etc/passwd"])
        }
        // Other tests have a few pipes open at the same time.
        #expect(try pipes() < 40)
        #expect(processes(with: "sleep\0299").isEmpty)
        let children = try String(contentsOfFile: "/proc/self/task/\(getpid())/children", encoding: .utf8)
        let zombies = children.split(separator: " ").filter {
            (try? String(contentsOfFile: "/proc/\($0)/stat", encoding: .utf8))?.contains(") Z ") == true
        }
        #expect(zombies.count < 5)
    }

    @Test("a program that is not there, or cannot be run, is an error that names it")
    func missing() {
        let error = #expect(throws: SystemError.self) { try run(["no-such-tool"]) }
        #expect(error?.operation == "execve no-such-tool" && error?.code == ENOENT)
        let other = #expect(throws: SystemError.self) { try run(["/etc/passwd"]) }
        #expect(other?.operation == "execve /etc/passwd" && other?.code == EACCES)
    }

    @Test("the limits are in force in the child")
    func limits() throws {
        var sandbox = Sandbox.forShells
        sandbox.limits.addressSpace = 300 << 20
        sandbox.limits.data = 100 << 20
        sandbox.limits.processorTime = 7
        sandbox.limits.fileSize = 1024
        sandbox.limits.openFiles = 20
        sandbox.limits.niceness = 19
        let text = try run(
            ["bash", "-c", "ulimit -v; ulimit -d; ulimit -t; ulimit -Ht; ulimit -f; ulimit -n; ulimit -c; nice"],
            sandbox
        ).output
        #expect(
            text.split(separator: "\n") == ["307200", "102400", "7", "12", "1", "20", "0", "19"], "\(text)")
    }

    @Test("a child dies with the thread that has started it")
    func deathOfParent() throws {
        let mark = "mark-\(UUID().uuidString)"
        // A thread cannot be killed, but it can end without waiting.
        let thread = Thread {
            var sandbox = Sandbox.forShells
            sandbox.startsProcesses = true
            guard let leaked = try? Leaked(["sh", "-c", "sleep 300; : \(mark)"], sandbox) else { return }
            // Never killed by this process.
            Leaked.children.withLock { $0.append(leaked) }
            _ = eventually { !processes(with: mark).isEmpty }
        }
        thread.start()
        #expect(eventually { thread.isFinished })
        #expect(eventually { processes(with: mark).isEmpty }, "\(processes(with: mark))")
    }

    /// Keeps a child from being killed at the end of its scope.
    private final class Leaked: @unchecked Sendable {
        static let children = Locked<[Leaked]>([])
        // SAFETY: never used again.
        private let child: Child
        init(_ command: [String], _ sandbox: Sandbox) throws { child = try Child(command, in: "/", sandbox) }
    }
}

/// Processes that have a text in their command line, and have not ended.
private func processes(with mark: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.filter { Int($0) != nil }.filter { id in
        FileManager.default.contents(atPath: "/proc/\(id)/cmdline")?.firstRange(of: Data(mark.utf8)) != nil
    }
}
