import Glibc

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
