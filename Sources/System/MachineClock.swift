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

    package init(
        bootID: String, wall: @escaping @Sendable () -> Int64, boot: @escaping @Sendable () -> Int64
    ) {
        self.bootID = bootID
        self.wall = wall
        self.boot = boot
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
