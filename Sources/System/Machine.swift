import Foundation
import Glibc

/// The clocks of a machine, in seconds.
package struct MachineClock: Sendable {
    /// Since 1970. People and time servers move it, in either direction and by any amount.
    package let wall: @Sendable () -> Int64
    /// Since the machine was started, sleep included. It only goes on.
    package let boot: @Sendable () -> Int64
    /// Tells one start of the machine from another.
    package let bootID: String

    package init(bootID: String, wall: @escaping @Sendable () -> Int64, boot: @escaping @Sendable () -> Int64) {
        (self.bootID, self.wall, self.boot) = (bootID, wall, boot)
    }

    package static let system = MachineClock(
        bootID: systemBootID, wall: { Int64(time(nil)) },
        boot: {
            var now = timespec()
            clock_gettime(CLOCK_BOOTTIME, &now)
            return Int64(now.tv_sec)
        })

    /// The kernel's name for the time since it was started; where there is none, everything counts as from before.
    private static var systemBootID: String {
        let text = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
        let id = text?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
        return id.isEmpty ? UUID().uuidString : id
    }
}

/// The memory of the machine, or what this process's control groups leave of it.
package enum MachineMemory {
    /// Bytes that this process and its children may have.
    package static var limit: Int { limit(root: "") }

    /// Bytes that can be had now without anything being swapped out, `nil` if unknown.
    package static var available: Int? { available(root: "") }

    /// - Parameter root: what stands before `/proc` and `/sys`.
    static func limit(root: String) -> Int {
        (groups(root: root).compactMap { number(in: "\($0)/memory.max") } + [field("MemTotal", root: root) ?? .max])
            .min()!
    }

    static func available(root: String) -> Int? {
        let groups = groups(root: root).compactMap { group -> Int? in
            guard let limit = number(in: "\(group)/memory.max"), let used = number(in: "\(group)/memory.current") else {
                return nil
            }
            // What is only cached is given back.
            let cached = lines("\(group)/memory.stat").first { $0.hasPrefix("file ") }
                .flatMap { Int($0.dropFirst("file ".count)) }
            return limit - used + (cached ?? 0)
        }
        return (groups + [field("MemAvailable", root: root)].compactMap(\.self)).min()
    }

    /// The directories of this process's control group and of those above it. cgroups(7), version 2.
    private static func groups(root: String) -> [String] {
        guard let line = lines("\(root)/proc/self/cgroup").first(where: { $0.hasPrefix("0::/") }) else { return [] }
        var names = line.dropFirst("0::".count).split(separator: "/")
        var groups: [String] = []
        while true {
            groups.append((["\(root)/sys/fs/cgroup"] + names).joined(separator: "/"))
            if names.popLast() == nil { return groups }
        }
    }

    /// Of /proc/meminfo, in bytes.
    private static func field(_ name: String, root: String) -> Int? {
        lines("\(root)/proc/meminfo").first { $0.hasPrefix("\(name):") }
            .flatMap { $0.split(separator: " ").dropFirst().first }.flatMap { Int($0) }.map { $0 * 1024 }
    }

    /// `nil` too where the file says `max`.
    private static func number(in path: String) -> Int? { lines(path).first.flatMap { Int($0) } }

    private static func lines(_ path: String) -> [Substring] {
        guard let file = fopen(path, "re") else { return [] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 16 * 1024)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n")
    }
}
