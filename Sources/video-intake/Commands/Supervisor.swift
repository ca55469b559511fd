import CSystem
import Foundation
import Glibc

/// systemd, if it has started this process as a unit's main one: it is told when requests succeed, what goes on, and that
/// the process lives. Thread-safe.
///
/// The protocol is a datagram of `NAME=value` lines: https://www.freedesktop.org/software/systemd/man/252/sd_notify.html
final class Supervisor: Sendable {
    /// Whether a unit restarts this process when it ends.
    let restarts: Bool
    /// Seconds within which systemd wants a keep-alive; `nil` if it wants none.
    private let watchdogTime: Double?
    private let address: String?
    /// Never closed: there is one of these a process.
    private let socket: Int32

    /// Takes what systemd has put into the environment out of it, so that children do not speak in this process's name.
    /// To be called once, before there are other threads.
    init() {
        func take(_ name: String) -> String? {
            defer { unsetenv(name) }
            return getenv(name).map { String(cString: $0) }
        }
        func isOurs(_ process: String?) -> Bool { process == nil || process == "\(getpid())" }
        address = take("NOTIFY_SOCKET").flatMap { $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil }
        socket = address == nil ? -1 : Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        // A systemd that does not listen does not keep this process from its work.
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let (time, process) = (take("WATCHDOG_USEC"), take("WATCHDOG_PID"))
        watchdogTime = time.flatMap { UInt64($0) }.flatMap { $0 > 0 && isOurs(process) ? Double($0) / 1e6 : nil }
        // A shell of a desktop has the first one too, from the unit that all of the desktop is.
        restarts = getenv("INVOCATION_ID") != nil && isOurs(take("SYSTEMD_EXEC_PID"))
    }

    /// Requests succeed, or jobs are taken.
    func ready(_ status: String) { send("READY=1\nSTATUS=\(status)") }

    /// What `systemctl status` shows.
    func status(_ status: String) { send("STATUS=\(status)") }

    func stopping(_ status: String) { send("STOPPING=1\nSTATUS=\(status)") }

    /// Runs what reads the settings again.
    func reload(_ body: () -> Void) {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        // The time is what Type=notify-reload wants, which systemd 253 has brought.
        send("RELOADING=1\nMONOTONIC_USEC=\(time.tv_sec * 1_000_000 + time.tv_nsec / 1000)")
        body()
        send("READY=1")
    }

    /// Starts a thread that sends the watchdog's keep-alive each half of its time while the process makes progress; without
    /// one systemd kills it.
    /// - Parameter isAlive: whether there was progress since it was last true. Asked again a quarter of the time later if
    ///   not.
    func startWatchdog(_ isAlive: @escaping @Sendable () -> Bool) {
        guard let watchdogTime else { return }
        Thread.detachNewThread { [self] in
            var last = ContinuousClock.now
            while true {
                usleep(UInt32(min(watchdogTime / 4, 1000) * 1e6))
                guard last.duration(to: .now) >= .seconds(watchdogTime / 2), isAlive() else { continue }
                send("WATCHDOG=1")
                last = .now
            }
        }
    }

    private func send(_ text: String) {
        guard let address, socket >= 0 else { return }
        let bytes = Array(text.utf8)
        while vi_notify(socket, address, bytes, bytes.count) < 0, errno == EINTR {}
    }
}
