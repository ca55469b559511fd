import CSystem
import Glibc

/// Which walls stand between a tool and the rest of the machine: what the kernel and the service manager allow.
package struct SandboxWalls: Equatable, Sendable {
    /// What lets a tool see the paths that it is given and no others.
    package enum Files: Equatable, Sendable {
        /// By version of the kernel's interface.
        case landlock(version: Int)
        /// A root directory of its own in a mount namespace, where the kernel has no Landlock.
        case mounts
        case none
    }

    /// What keeps a tool from the network.
    package enum Network: String, Equatable, Sendable {
        /// A namespace of its own without a way out, and the filter.
        case namespace
        /// There are no sockets; the service manager allows no namespace.
        case filter
        case none
    }

    package let files: Files
    package let network: Network
    /// Whether the system calls are filtered that no codec needs.
    package let hasFilter: Bool
    /// As `CSystem` has them.
    let bits: UInt32

    /// Those of this process, found out at the first use, with a few child processes.
    package static let present = SandboxWalls()

    /// Finds out which walls can be had.
    ///
    /// - Parameter usesLandlock: whether it counts if the kernel has it.
    package init(usesLandlock: Bool = true) {
        let (network, mounts, user) = (UInt32(VI_WALL_NETWORK), UInt32(VI_WALL_MOUNTS), UInt32(VI_WALL_USER))
        let (landlock, filter) = (UInt32(VI_WALL_LANDLOCK), UInt32(VI_WALL_FILTER))
        // Root keeps its rights without a user namespace, which others need; in one it would lose them over other users'
        // files.
        var bits = [network, network | user].first(where: Self.work) ?? 0
        let version = usesLandlock ? vi_landlock_version() : 0
        if version > 0, Self.work(landlock) {
            files = .landlock(version: Int(version))
            bits |= landlock
        } else if let found = [bits | mounts, mounts, mounts | user].first(where: Self.work) {
            files = .mounts
            // Without a user namespace for the one there is no network namespace that needs it for the other.
            bits = found
        } else {
            files = .none
        }
        hasFilter = Self.work(filter)
        if hasFilter { bits |= filter }
        self.network = bits & network != 0 ? .namespace : hasFilter ? .filter : .none
        self.bits = bits
    }

    /// Whether a child can stand behind these walls.
    private static func work(_ bits: UInt32) -> Bool {
        guard let nothing = try? Descriptor(path: "/dev/null", O_RDWR),
            let process = try? Sandbox(paths: [.init("/usr", [.read, .execute])], bits: bits).start(
                nil, [], [], in: "/", descriptors: [nothing.number, nothing.number, nothing.number])
        else { return false }
        var state: Int32 = 0
        while waitpid(process, &state, 0) < 0, errno == EINTR {}
        return state == 0
    }

    /// All of it as a number, to be kept somewhere.
    package var code: Int {
        if case .landlock(let version) = files { Int(bits) | version << 8 } else { Int(bits) }
    }

    /// From the number that another process has kept.
    package init(code: Int) {
        bits = UInt32(code & 0xFF)
        func has(_ wall: Int) -> Bool { code & wall != 0 }
        files = has(Int(VI_WALL_LANDLOCK)) ? .landlock(version: code >> 8) : has(Int(VI_WALL_MOUNTS)) ? .mounts : .none
        hasFilter = has(Int(VI_WALL_FILTER))
        network = has(Int(VI_WALL_NETWORK)) ? .namespace : hasFilter ? .filter : .none
    }

    /// Whether each of them stands, and by what, by name.
    package var list: [(wall: String, by: String)] {
        let files =
            switch files {
            case .landlock: "landlock"
            case .mounts: "mounts"
            case .none: "none"
            }
        return [("files", files), ("network", network.rawValue), ("calls", hasFilter ? "filter" : "none")]
    }

    /// Like `files: Landlock 7, network: namespace, calls: filter`.
    package var text: String {
        let files =
            switch files {
            case .landlock(let version): "Landlock \(version)"
            case .mounts: "mount namespace"
            case .none: "NOTHING"
            }
        let network = network == .none ? "NOTHING" : network.rawValue
        return "files: \(files), network: \(network), calls: \(hasFilter ? "filter" : "NOTHING")"
    }

    /// Whether one is missing.
    package var isIncomplete: Bool { files == .none || network == .none || !hasFilter }
}

extension Sandbox {
    /// A sandbox with the system's programs and libraries, without an input and an output.
    package init(walls: SandboxWalls = .present) {
        self.init(paths: Self.system, bits: walls.bits)
    }

    /// What programs need to run. Nothing that is secret is there, and nothing of this service.
    private static let system: [Path] =
        ["/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin"].map { Path($0, [.read, .execute]) }
        + ["/etc/ld.so.cache", "/etc/alternatives", "/dev/zero", "/dev/urandom"].map { Path($0, .read) }
        + [Path("/dev/null", [.read, .write])]
}
