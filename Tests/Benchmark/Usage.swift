import Foundation
import Glibc
import TestSupport

/// What processes have used, with their descendants. Read from /proc.
enum Usage {
    /// CPU seconds of processes and of all their descendants, those that have ended and were waited for included.
    static func cpuSeconds(_ processes: [pid_t]) -> Double {
        let ticks = tree(processes).reduce(0) { sum, process in
            // After the name, which may contain spaces: state is the first; utime, stime, cutime, cstime the 12th to 15th.
            let text = textOfFile("/proc/\(process)/stat")
            let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ").dropFirst()
            return sum + fields.dropFirst(11).prefix(4).reduce(0) { $0 + (Int($1) ?? 0) }
        }
        return Double(ticks) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// CPU seconds of this process.
    static var ownCPUSeconds: Double { cpuSeconds(of: RUSAGE_SELF) }

    /// CPU seconds of the children of this process that have ended and were waited for.
    static var endedChildrenCPUSeconds: Double { cpuSeconds(of: RUSAGE_CHILDREN) }

    private static func cpuSeconds(of processes: __rusage_who) -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(processes.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    /// Waits until processes have done, at most 5 s, what they do after the last reply: it is part of what a video costs.
    static func settle(_ processes: [pid_t]) {
        var last = cpuSeconds(processes)
        for _ in 0..<25 {
            usleep(200_000)
            let now = cpuSeconds(processes)
            if now - last < 0.02 { return }
            last = now
        }
    }

    /// Bytes of anonymous memory that processes and their descendants have resident, but for ffprobe, which several
    /// contestants start for a moment.
    static func anonymousMemory(_ processes: [pid_t]) -> Int {
        tree(processes).reduce(0) { sum, process in
            let status = textOfFile("/proc/\(process)/status")
            let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
            guard let line, !status.hasPrefix("Name:\tffprobe\n") else { return sum }
            return sum + (Int(line.split(whereSeparator: \.isWhitespace).dropLast().last ?? "") ?? 0) * 1024
        }
    }

    private static func tree(_ processes: [pid_t]) -> [pid_t] {
        processes.flatMap { process in
            let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")) ?? []
            let children = threads.flatMap {
                textOfFile("/proc/\(process)/task/\($0)/children").split(separator: " ").compactMap { pid_t($0) }
            }
            return [process] + tree(children)
        }
    }
}

/// Watches the anonymous memory of processes, from its start to `stop`.
final class MemoryWatch: Sendable {
    private let peak = Locked(0)
    private let isOver = Locked(false)
    private let end = DispatchSemaphore(value: 0)

    private static let interval: useconds_t = 25_000

    init(_ processes: [pid_t]) {
        Thread.detachNewThread { [self] in
            while !isOver.withLock({ $0 }) {
                let memory = Usage.anonymousMemory(processes)
                peak.withLock { $0 = max($0, memory) }
                usleep(Self.interval)
            }
            end.signal()
        }
    }

    /// Ends the watch and returns the peak in bytes.
    func stop() -> Int {
        isOver.withLock { $0 = true }
        end.wait()
        return peak.withLock { $0 }
    }
}
