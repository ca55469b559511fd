import Foundation
import Glibc
import System
import TestTools
import Testing
import class TestTools.Locked

/// What a tool can do that somebody else has taken over: Tests/Faults/intruder.c tries.
@Suite struct SandboxTests {
    /// The walls of this machine, and those of a kernel without Landlock.
    private static let walls: [(name: String, walls: SandboxWalls)] = [
        ("the kernel's", .present), ("without Landlock", SandboxWalls(usesLandlock: false)),
    ]

    @Test("this machine has walls of both kinds")
    func present() {
        #expect(!SandboxWalls.present.isIncomplete, "\(SandboxWalls.present.list)")
        let other = SandboxWalls(usesLandlock: false)
        #expect(other.files == .mounts && !other.isIncomplete, "\(other.list)")
    }

    @Test("nothing but the input can be read, and nothing but the output written", arguments: [0, 1], [true, false])
    func intruder(wall: Int, hasOutput: Bool) throws {
        let (name, walls) = Self.walls[wall]
        let scene = try IntruderScene()
        var sandbox = Sandbox(walls: walls)
        sandbox.paths.append(.init(scene.input, .read))
        if hasOutput { sandbox.paths.append(.init(scene.output, [.read, .write])) }
        let end = try run(scene.command(parent: getpid(), hasOutput: hasOutput), sandbox)
        #expect(end.outcome == .ended(.exit(0)), "\(name): \(end)")
        let lines = end.output.split(separator: "\n").map(String.init)
        #expect(lines.count > 60)
        let worked = lines.filter { $0.hasPrefix("worked") && !$0.hasPrefix("worked allowed: ") }
        #expect(worked == [], "\(name)")
        let allowed = lines.filter { $0.contains("allowed: ") && !$0.hasPrefix("worked") }
        #expect(allowed == [], "\(name)")
        let has = lines.filter { $0.hasPrefix("has ") }
        #expect(
            has == [
                "has 0 descriptors", "has PATH", "has LANG", "has HOME", "has user \(getuid()), no_new_privs 1",
                // To read what is another user's.
                "has rights \(geteuid() == 0 ? "0000000000000004" : "0000000000000000")",
            ])
        #expect(scene.isUntouched)
        #expect(access(scene.output + "/made", F_OK) == (hasOutput ? 0 : -1))
    }

    @Test(
        "root's tool has no more rights where the set that bounds them cannot be made smaller",
        .enabled(if: geteuid() == 0, "what root can do is tried"))
    func rights() throws {
        let scene = try IntruderScene()
        let command = scene.command(parent: getpid(), hasOutput: false)
        let output = Locked("")
        // Rights are a thread's.
        let thread = Thread {
            var header: (UInt32, Int32) = (0x2008_0522, 0)
            var rights: [UInt32] = Array(repeating: 0, count: 6)
            guard capget(&header, &rights) == 0 else { return }
            let mayChangeRights: UInt32 = 1 << 8
            for index in [0, 1] { rights[index] &= ~mayChangeRights }
            guard capset(&header, rights) == 0 else { return }
            if let end = try? run(command, Sandbox()) { output.withLock { $0 = end.output } }
        }
        thread.start()
        #expect(eventually { output.withLock { $0.contains("has user 0, ") } })
        let line = output.withLock { $0 }.split(separator: "\n").first { $0.hasPrefix("has rights") }
        #expect(line == "has rights 0000000000000004")
    }

    @Test("a program beside what it works on shows nothing else that is there", arguments: [0, 1])
    func besideInput(wall: Int) throws {
        let scene = try IntruderScene()
        let program = scene.directory.path + "/cat"
        try FileManager.default.copyItem(atPath: "/usr/bin/cat", toPath: program)
        var sandbox = Sandbox(walls: Self.walls[wall].walls)
        sandbox.paths.append(.init(scene.input, .read))
        #expect(try run([program, scene.input], sandbox).output == "content")
        let end = try run([program, scene.directory.path + "/data/secret"], sandbox)
        #expect(end.outcome == .ended(.exit(1)) && end.output.isEmpty, "\(end)")
    }

    @Test("the same attempts work without a sandbox", .enabled(if: geteuid() == 0, "what root can do is tried"))
    func withoutSandbox() throws {
        let scene = try IntruderScene()
        let end = try output(of: scene.command(parent: getpid(), hasOutput: true))
        let worked = end.split(separator: "\n").filter { $0.hasPrefix("worked ") }.map { String($0.dropFirst(7)) }
        for attempt in [
            "read catalogue", "read video", "read secret", "read parent's environ", "list data", "write catalogue",
            "truncate catalogue", "chmod catalogue", "fchmod input", "create in data", "link catalogue", "connect tcp",
            "send udp", "connect unix", "socketpair", "signal parent", "limits of parent", "fork",
            "symlink in output", "reach mount", "reach unshare user", "reach open_by_handle_at",
        ] {
            #expect(worked.contains(attempt), "\(attempt): \(end)")
        }
        #expect(!scene.isUntouched)
    }

    #if arch(x86_64)
        @Test("calls of another architecture end the process", arguments: [["foreign"], ["foreign", "x32"]])
        func foreign(arguments: [String]) throws {
            let scene = try IntruderScene()
            #expect(try run([scene.program] + arguments, Sandbox()).outcome == .ended(.signal(SIGSYS)))
        }
    #endif

    @Test("a wall that cannot be had is an error that names it")
    func impossible() throws {
        var sandbox = Sandbox()
        sandbox.paths.append(.init("/" + String(repeating: "a", count: 300), .read))
        let error = #expect(throws: SystemError.self) { try run(["true"], sandbox) }
        #expect(error?.operation == "open" && error?.code == ENAMETOOLONG)
    }

    @Test("a limit above what this process may have stays at that")
    func limitAbove() throws {
        var limit = rlimit()
        try #require(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        var sandbox = Sandbox.forShells
        sandbox.limits.openFiles = Int(limit.rlim_max) + 1
        #expect(try run(["sh", "-c", "ulimit -Hn"], sandbox).output == "\(limit.rlim_max)\n")
    }

    @Test("a tree of any depth and any names is removed, and what a link in it points to is not")
    func removal() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.path
        try Data("kept".utf8).write(to: directory.appendingPathComponent("kept"))
        let script = """
            mkdir "$1/tree"; cd "$1/tree"; ln -s ../kept link; ln -s .. up; printf x >"$(printf 'a\\377b')"; mkfifo pipe
            for i in 1 2 3; do (for j in $(seq 300); do mkdir d; cd d; echo x >f; done); mv d "deep$i"; done
            """
        _ = try output(of: ["bash", "-c", script, "bash", path])
        let parent = try Descriptor(directory: path)
        #expect(try parent.removeTree("tree") >= 900 * 4096)
        #expect(try parent.names() == ["kept"])
        let error = #expect(throws: SystemError.self) { try parent.removeTree("tree") }
        #expect(error?.code == ENOENT)
    }
}

/// What a program writes that is started without a sandbox.
private func output(of words: [String]) throws -> String {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = words
    process.standardOutput = output
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: bytes, as: UTF8.self)
}

// Rights of a thread, which the C library has without a header.
@_silgen_name("capget")
private func capget(_ header: UnsafeMutableRawPointer, _ data: UnsafeMutablePointer<UInt32>) -> Int32
@_silgen_name("capset")
private func capset(_ header: UnsafeMutableRawPointer, _ data: UnsafePointer<UInt32>) -> Int32
