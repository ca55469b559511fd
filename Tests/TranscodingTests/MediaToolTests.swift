import ChunkStore
import Foundation
import Glibc
import Logging
import System
import TestSupport
import Testing

@testable import Transcoding

/// Child processes: what they get, how they end.
@Suite struct MediaToolTests {
    private func run(
        _ command: [String], seconds: Double = 20, isCancelled: () -> Bool = { false }
    ) throws(TranscodingError) -> (end: MediaTool.End, output: String, complaints: String) {
        var output: [UInt8] = []
        let end = try io { () throws(SystemError) in try MediaTool(command, in: "/tmp") }
            .wait(until: .now + .seconds(seconds), isCancelled: isCancelled) { output += $0 }
        return (end.end, String(decoding: output, as: UTF8.self), end.complaints)
    }

    @Test("a child's output, complaints and end come back")
    func ends() throws {
        let (end, output, complaints) = try run(["sh", "-c", "echo out; echo err >&2; exit 3"])
        #expect(end == .exit(3) && output == "out\n" && complaints == "err")
        #expect(try run(["sh", "-c", "kill -TERM $$"]).end == .signal(SIGTERM))
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
        #expect(try run(["sh", "-c", "ls /proc/self/fd | wc -l; wc -c; pwd"]).output == "4\n0\n/tmp\n")
        #expect(try run(["grep", "SigBlk", "/proc/self/status"]).output.hasSuffix("0000000000000000\n"))
    }

    @Test("a child that does not end is killed with everything it has started")
    func killed() throws {
        let workshop = try Workshop()
        let mark = workshop.path("mark")
        let error = #expect(throws: TranscodingError.self) {
            try run(
                ["sh", "-c", "(trap '' TERM; exec -a x sleep 300) & sh -c 'sleep 300; : \(mark)' & wait; : \(mark)"],
                seconds: 0.5)
        }
        #expect(error?.code == .timeLimit)
        #expect(workshop.processes() == [])
    }

    @Test("what a child has started and left does not keep anybody waiting, and does not live on")
    func leftBehind() throws {
        let workshop = try Workshop()
        let mark = workshop.path("mark")
        let start = ContinuousClock.now
        let end = try run(["sh", "-c", "echo begun; sh -c 'sleep 300; : \(mark)' & exit 0"])
        #expect(end.end == .exit(0) && end.output == "begun\n")
        #expect(ContinuousClock.now - start < .seconds(10))
        // The kernel takes a moment for its end.
        workshop.waitForProcesses { $0.isEmpty }
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
            _ = try? run(["sleep", "299"], seconds: 0.01)
            _ = try? run(["sleep", "299"], isCancelled: { true })
            _ = try? run(["no-such-tool"])
        }
        // Other tests have a few pipes open at the same time.
        #expect(try pipes() < 40)
        let processes = try Workshop.command(["ps", "--ppid", "\(getpid())", "-o", "args="])
        #expect(!processes.contains("sleep 299") && !processes.contains("[true] <defunct>"))
        #expect(!processes.contains("[sleep] <defunct>"))
    }

    @Test("a program that is not there is an error that names it")
    func missing() {
        let error = #expect(throws: TranscodingError.self) { try run(["no-such-tool"]) }
        #expect(error?.reason.contains("no-such-tool") == true)
    }

    @Test("the limits are in force in the tool, and it has no network where the kernel allows that")
    func sandbox() throws {
        var limits = TranscodingLimits()
        limits.memory = 300 << 20
        limits.fileSize = 1000
        let sandbox = ToolSandbox(limits: limits, logger: Logger(label: "test"))
        let text = try run(
            sandbox.command(
                ["sh", "-c", "ulimit -v; ulimit -f; ulimit -n; ulimit -c; nice; cat /proc/self/status /proc/net/dev"],
                seconds: 7)
        ).output
        let lines = text.split(separator: "\n")
        #expect(lines.prefix(5) == ["307200", "1", "256", "0", "19"])
        #expect(text.contains("NoNewPrivs:\t1"))
        let allowed = try run(["unshare", "--net", "true"]).end == .exit(0)
        // Only the loopback, which is down.
        #expect(lines.filter { $0.contains(": ") && $0.contains("0       0") }.count == 1 || !allowed)
    }

    @Test("a tool dies with the thread that waits for it")
    func deathOfParent() throws {
        let workshop = try Workshop()
        let mark = workshop.path("mark")
        try Data().write(to: URL(fileURLWithPath: mark))
        let sandbox = ToolSandbox(limits: TranscodingLimits(), logger: Logger(label: "test"))
        // A process that starts it and is killed.
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["sh", "-c", "\"$@\" & wait", "sh"] + sandbox.command(["tail", "-f", mark], seconds: 300)
        try process.run()
        workshop.waitForProcesses { $0.contains { $0.contains(" tail -f") && !$0.contains("setpriv") } }
        kill(process.processIdentifier, SIGKILL)
        workshop.waitForProcesses { $0.isEmpty }
        process.waitUntilExit()
    }
}
