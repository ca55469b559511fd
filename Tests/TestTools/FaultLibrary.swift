import Foundation
import Glibc
import Synchronization

/// A kind of call that changes files, as Tests/Faults/faults.c numbers them.
package enum ChangeKind: UInt32, CaseIterable, Sendable {
    case write = 1
    /// With pwrite64.
    case pwrite
    /// With pread64. No change: counts only where it is asked for.
    case pread
    case fallocate
    case fsync
    /// Of a file.
    case fdatasync
    case ftruncate
    case link
    case rename
    /// With rmdir.
    case unlink
    case mkdir
    /// An open that may create the file.
    case create
    case fdatasyncDirectory
}

/// Tests/Faults/faults.c, preloaded into one responder after the other: makes calls fail, kills, or records changes.
///
/// Counts only calls for files below one directory. Thread-safe; `arm` and `disarm` are for one thread at a time.
package final class FaultLibrary: Sendable {
    /// What happens to the call that is due.
    package enum Action: Equatable, Sendable {
        /// It fails with this `errno` and does nothing.
        case fail(Int32)
        /// SIGKILL before it is made.
        case killBefore
        /// SIGKILL when it has been made.
        case killAfter
    }

    /// Changes that succeeded, in order, in the form that `RecordedChange` reads; `nil` if they are not recorded.
    package let recordPath: String?
    private let library: String
    private let control: Control

    /// - Parameter isRecording: whether changes are recorded.
    package init(isRecording: Bool = false) throws {
        library = try Self.compiled.get()
        let name = "\(library).\(UUID().uuidString)"
        recordPath = isRecording ? "\(name).record" : nil
        control = try Control("\(name).control")
    }

    deinit {
        for path in [control.path, recordPath] { path.map { _ = unlink($0) } }
    }

    /// What a responder needs to have the library with it.
    ///
    /// - Parameter directory: where calls count.
    package func environment(for directory: URL) -> [String: String] {
        var environment = [
            "LD_PRELOAD": library, "FAULTS_DIRECTORY": directory.resolvingSymlinksInPath().path,
            "FAULTS_CONTROL": control.path,
        ]
        environment["FAULTS_RECORD"] = recordPath
        return environment
    }

    /// The environment of a process, and of its children, whose calls the kernel refuses as a unit of systemd has it done.
    ///
    /// - Parameter calls: `errno` by the call's number.
    package static func denying(_ calls: [Int: Int32]) throws -> [String: String] {
        let list = calls.map { "\($0):\($1)" }.joined(separator: " ")
        return ["LD_PRELOAD": try compiled.get(), "FAULTS_DENY": list]
    }

    /// Counts calls from now on, and lets `action` happen to one.
    ///
    /// - Parameters:
    ///   - kind: which calls count; `nil` for all kinds.
    ///   - due: the number of the call it happens to, from 1.
    ///   - sticky: whether it happens to all later ones too.
    package func arm(_ action: Action, _ kind: ChangeKind?, due: Int, sticky: Bool = false) {
        disarm()
        let (number, error): (UInt64, Int32) =
            switch action {
            case .fail(let error): (1, error)
            case .killBefore: (2, 0)
            case .killAfter: (3, 0)
            }
        control[.kind] = UInt64(kind?.rawValue ?? 0)
        control[.action] = number
        control[.error] = UInt64(error)
        control[.due] = UInt64(due)
        control[.sticky] = sticky ? 1 : 0
        control[.calls] = 0
        control[.hits] = 0
        control[.armed] = 1
    }

    /// Lets every call pass.
    package func disarm() { control[.armed] = 0 }

    /// To how many calls it happened since `arm`.
    package var hits: Int { Int(control[.hits]) }

    /// Whether it may happen to another call.
    package var mayStrike: Bool { control[.armed] == 1 && (hits == 0 || control[.sticky] == 1) }

    /// How many bytes the record has.
    package var recordLength: Int {
        var status = stat()
        guard let recordPath, stat(recordPath, &status) == 0 else { return 0 }
        return Int(status.st_size)
    }
}

extension FaultLibrary {
    /// `struct control` of faults.c, in a file that is mapped by both.
    private final class Control: Sendable {
        enum Field: Int, CaseIterable {
            case armed, kind, action, error, due, sticky, calls, hits
        }

        let path: String
        // SAFETY: the memory is there as long as this value, and its words are atomic.
        nonisolated(unsafe) private let words: UnsafeMutablePointer<Atomic<UInt64>>

        private static let length = Field.allCases.count * MemoryLayout<UInt64>.stride

        init(_ path: String) throws {
            self.path = path
            try Data(count: Self.length).write(to: URL(fileURLWithPath: path))
            let file = open(path, O_RDWR | O_CLOEXEC)
            defer { close(file) }
            let memory = mmap(nil, Self.length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
            guard file >= 0, let memory, memory != MAP_FAILED else {
                throw HTTPConnection.Fault.system(call: "mmap \(path)", code: errno)
            }
            words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: Field.allCases.count)
        }

        deinit {
            munmap(words, Self.length)
        }

        subscript(field: Field) -> UInt64 {
            get { words[field.rawValue].load(ordering: .sequentiallyConsistent) }
            set { words[field.rawValue].store(newValue, ordering: .sequentiallyConsistent) }
        }
    }

    private static let compiledDirectory: Locked<URL?> = Locked(nil)

    private static let compiled: Result<String, any Error> = Result { try compile("faults") }

    /// Compiles a library of Tests/Faults and says where it is. Gone when the process ends.
    package static func compile(_ name: String) throws -> String {
        let directory = try compiledDirectory.withLock { known in
            if let known { return known }
            let directory = try makeTemporaryDirectory()
            known = directory
            atexit {
                FaultLibrary.compiledDirectory.withLock { $0.map { try? FileManager.default.removeItem(at: $0) } }
            }
            return directory
        }
        let library = "\(directory.path)/\(name).so"
        let compiler = try ChildProcess.run(
            "cc",
            [
                "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-O1", "-o", library,
                Repository.directory.path + "/Tests/Faults/\(name).c",
            ])
        guard compiler.end == .exit(0) else {
            throw NotReady("\(name).c does not compile: \(compiler.errors)")
        }
        return library
    }
}
