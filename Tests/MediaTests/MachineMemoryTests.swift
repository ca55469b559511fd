import Foundation
import TestTools
import Testing

@testable import System

/// What a machine, or a control group on it, leaves for tools.
@Suite struct MachineMemoryTests {
    /// A directory that looks like the root of a machine with 8 GiB, of which 5 are free.
    private func machine(_ files: [String: String]) throws -> String {
        let root = try makeTemporaryDirectory()
        let all = ["proc/meminfo": "MemTotal:        8388608 kB\nMemFree: 1 kB\nMemAvailable:    5242880 kB\n"]
        for (name, text) in all.merging(files, uniquingKeysWith: { $1 }) {
            let file = root.appendingPathComponent(name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        return root.path
    }

    private let gibibyte = 1 << 30

    @Test("without a control group it is the machine's")
    func plain() throws {
        let root = try machine([:])
        #expect(MachineMemory.limit(root: root) == 8 * gibibyte)
        #expect(MachineMemory.available(root: root) == 5 * gibibyte)
    }

    @Test("the least of the control groups above the process counts, and what they have cached is free")
    func groups() throws {
        let group = "sys/fs/cgroup/system.slice/worker.service"
        let root = try machine([
            "proc/self/cgroup": "1:name=systemd:/x\n0::/system.slice/worker.service\n",
            "\(group)/memory.max": "max\n",
            "\(group)/memory.current": "1\n",
            "sys/fs/cgroup/system.slice/memory.max": "\(4 * gibibyte)\n",
            "sys/fs/cgroup/system.slice/memory.current": "\(3 * gibibyte)\n",
            "sys/fs/cgroup/system.slice/memory.stat": "anon 5\nfile \(gibibyte)\nfile_mapped 3\n",
        ])
        #expect(MachineMemory.limit(root: root) == 4 * gibibyte)
        #expect(MachineMemory.available(root: root) == 2 * gibibyte)
    }

    @Test("this machine has some")
    func here() throws {
        #expect(MachineMemory.limit > 1 << 28)
        #expect(try #require(MachineMemory.available) <= MachineMemory.limit)
    }
}
