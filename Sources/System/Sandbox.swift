import CSystem
import Glibc

/// What a tool that works on media from strangers may do: everything else on the machine is out of its reach, as far as
/// the kernel and the service manager allow walls (`SandboxWalls`).
package struct Sandbox: Sendable {
    /// A file or a directory with all below it. A path that is not there is left out.
    package struct Path: Sendable {
        package struct Access: OptionSet, Sendable {
            package let rawValue: UInt32
            package init(rawValue: UInt32) { self.rawValue = rawValue }
            package static let read = Access(rawValue: UInt32(VI_ACCESS_READ))
            package static let execute = Access(rawValue: UInt32(VI_ACCESS_EXECUTE))
            /// To write to a file, or to make, write and remove files and directories below a directory.
            package static let write = Access(rawValue: UInt32(VI_ACCESS_WRITE))
        }

        /// Absolute.
        let path: String
        let access: Access

        package init(_ path: String, _ access: Access) {
            self.path = path
            self.access = access
        }
    }

    /// What it may use; the same numbers for all that it starts.
    package struct Limits: Sendable {
        /// Bytes of address space: memory, libraries, files that are mapped, threads' stacks.
        package var addressSpace: Int?
        /// Bytes of memory that nothing else has: what is allocated, stacks, what is changed of libraries.
        package var data: Int?
        /// Seconds.
        package var processorTime: Int?
        /// Bytes of one file.
        package var fileSize: Int?
        package var openFiles: Int?
        /// 0 to 19.
        package var niceness = 0

        package init() {}
    }

    package var paths: [Path]
    package var limits = Limits()
    /// Whether it may start processes of its own.
    package var startsProcesses = false
    let bits: UInt32

    init(paths: [Path], bits: UInt32) {
        self.paths = paths
        self.bits = bits
    }

    /// The directories of a program, so that it can be run and finds what belongs to it; the program alone where its directory
    /// has what the sandbox is about, and with it what the sandbox is to hide.
    func with(program: String) -> Sandbox {
        var sandbox = self
        let real = realpath(program, nil)
        defer { free(real) }
        for path in [program, real.map { String(cString: $0) }] {
            guard let directory = path.flatMap(Self.directory), !directory.hasPrefix("/usr/") else { continue }
            let holdsOther = paths.contains { $0.path.hasPrefix(directory + "/") }
            sandbox.paths.append(Path(holdsOther ? path! : directory, [.read, .execute]))
        }
        return sandbox
    }

    /// The directory of an absolute path; `nil` for the root, which would be everything.
    private static func directory(of path: String) -> String? {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return nil }
        return String(path[..<slash])
    }

    /// Starts a process in it.
    /// - Parameter program: `nil` to only find out whether the walls can be had.
    func start(
        _ program: String?, _ arguments: [String], _ environment: [String], in directory: String, descriptors: [Int32]
    ) throws(SystemError) -> pid_t {
        // All of it lives until the call has returned.
        var allocated: [UnsafeMutablePointer<CChar>?] = []
        func copy(_ text: String) -> UnsafeMutablePointer<CChar>? {
            allocated.append(strdup(text))
            return allocated.last!
        }
        defer { allocated.forEach { free($0) } }
        let paths = paths.map { vi_path(path: copy($0.path), access: $0.access.rawValue) }
        let limits = limits.list.map { vi_limit(resource: $0, soft: UInt64($1), hard: UInt64($2)) }
        let argumentList = arguments.map { copy($0) } + [nil]
        let environmentList = environment.map { copy($0) } + [nil]
        var child = vi_child()
        child.program = program.flatMap { copy($0) }.map { UnsafePointer($0) }
        child.directory = copy(directory).map { UnsafePointer($0) }
        child.descriptors = (descriptors[0], descriptors[1], descriptors[2])
        child.niceness = Int32(self.limits.niceness)
        child.limit_count = limits.count
        child.path_count = paths.count
        child.walls = bits
        child.starts_processes = startsProcesses ? 1 : 0
        var process: pid_t = 0
        var step: UnsafePointer<CChar>?
        let code = argumentList.withUnsafeBufferPointer { argumentList in
            environmentList.withUnsafeBufferPointer { environmentList in
                paths.withUnsafeBufferPointer { paths in
                    limits.withUnsafeBufferPointer { limits in
                        child.arguments = argumentList.baseAddress
                        child.environment = environmentList.baseAddress
                        child.paths = paths.baseAddress
                        child.limits = limits.baseAddress
                        return vi_child_start(&child, &process, &step)
                    }
                }
            }
        }
        guard code == 0 else {
            let name = step.map { String(cString: $0) } ?? "fork"
            throw SystemError(name == "execve" ? "execve \(program ?? "")" : name, code: code)
        }
        return process
    }
}

extension Sandbox.Limits {
    /// The numbers of the resources, and their soft and hard limits.
    fileprivate var list: [(resource: Int32, soft: Int, hard: Int)] {
        var list: [(resource: Int32, soft: Int, hard: Int)] = [(Int32(RLIMIT_CORE.rawValue), 0, 0)]
        func add(_ resource: __rlimit_resource, _ value: Int?, later: Int = 0) {
            if let value { list.append((Int32(resource.rawValue), value, value + later)) }
        }
        add(RLIMIT_AS, addressSpace)
        add(RLIMIT_DATA, data)
        // At the first one there is a signal that the program can take; at the second one it is killed.
        add(RLIMIT_CPU, processorTime, later: 5)
        add(RLIMIT_FSIZE, fileSize)
        add(RLIMIT_NOFILE, openFiles)
        return list
    }
}

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

    /// Whether one is missing.
    package var isIncomplete: Bool { files == .none || network == .none || !hasFilter }
}

extension Sandbox {
    /// A sandbox with the system's programs and libraries, without an input and an output.
    package init(walls: SandboxWalls = .present) { self.init(paths: Self.system, bits: walls.bits) }

    /// What programs need to run. Nothing that is secret is there, and nothing of this service.
    private static let system: [Path] =
        ["/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin"].map { Path($0, [.read, .execute]) }
        + ["/etc/ld.so.cache", "/etc/alternatives", "/dev/zero", "/dev/urandom"].map { Path($0, .read) }
        + [Path("/dev/null", [.read, .write])]
}
