import FileStore
import ArgumentParser
import CSystem
import ChunkStore
import Glibc
import Intake
import Logging
import System
import Media

/// What a process tries before it serves or works, so that a wrong unit, owner or mount is one line at the start instead of
/// a failure of each upload. Each test ends the process if it fails: with 64 if a setting has to be changed, with 1 if a
/// restart may help.
struct SelfTest {
    let settings: Settings
    let logger: Logger

    /// The store's calls, on the data directory and if wanted on that of the bodies, which is made if it is missing.
    func tryStore(withBodies: Bool) throws {
        if let link = FileChunkStore.linkedDirectory(in: settings.dataDirectory) {
            complain(
                """
                self-test: \(link) is a symbolic link, and no file is reached through one. Make it a directory again, and \
                mount the other disk, or a directory of it (mount --bind), at \(settings.dataDirectory) as a whole: all of it \
                must be one file system
                """)
            throw ExitCode(64)
        }
        let body = withBodies ? settings.intake.bodyDirectory : nil
        do {
            if let body { try Settings.makeDirectory(body, mode: 0o700) }
            if try !settings.openStore().selfTest(bodyDirectory: body) {
                logger.warning("the disk is full: the self-test of the data directory has not ended")
            }
        } catch let error as SystemError {
            throw Self.failed("\(error)", code: error.code)
        }
    }

    /// ffprobe, as it finds out how long a video is. Without it all other things work.
    func tryProbe() throws {
        sayWalls("ffprobe")
        guard Self.isInPath("ffprobe") else {
            return logger.warning("ffprobe is not in PATH: durations will be 0 (Debian: apt-get install ffmpeg)")
        }
        let complaint: String?
        do throws(SystemError) {
            complaint = try DurationProbe.complaint()
        } catch {
            throw Self.failed("\(error)", code: error.code)
        }
        guard let complaint else { return }
        if case let code = Self.code(in: complaint), [ENOSYS, EPERM].contains(code) {
            throw Self.failed("ffprobe: \(complaint)", code: code)
        }
        logger.warning("ffprobe does not work: durations will be 0", metadata: ["cause": "\(complaint)"])
    }

    /// Whether there is such a program to run.
    static func isInPath(_ program: String) -> Bool {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        return path.split(separator: ":").contains { access("\($0)/\(program)", X_OK) == 0 }
    }

    /// Says which walls keep a tool in, and whether one is missing that should be there.
    private func sayWalls(_ tool: String) {
        let walls = SandboxWalls.present
        let metadata = Logger.Metadata(uniqueKeysWithValues: walls.list.map { ($0.wall, "\($0.by)") })
        logger.log(level: walls.isIncomplete ? .warning : .notice, "\(tool) is kept in", metadata: metadata)
    }

    /// A whole job of a worker, but for its record.
    func tryTranscoder(_ transcoder: Transcoder, _ store: FileChunkStore) throws {
        sayWalls("ffmpeg")
        let (name, work) = ("upload/self-test.transcoded", settings.workDirectory + "/self-test")
        do {
            let turn = try Descriptor(directory: settings.workDirectory)
            try turn.lock()
            _ = try store.removePublished(name)
            defer { _ = try? store.removePublished(name) }
            try transcoder.selfTest(in: work)
            defer { try? Transcoder.remove(work) }
            try store.publish(LocalFile(path: work), as: name + "/0.0")
            _ = turn  // locked until here
        } catch let error as SystemError {
            throw Self.failed("\(error) (\(settings.workDirectory))", code: error.code)
        } catch let error as StoreError {
            throw Self.failed("\(error) (\(settings.workDirectory))", code: Self.code(in: error.description))
        } catch let error as TranscodingError where error.code == .noSpace {
            logger.warning("the disk is full: the self-test of ffmpeg has not ended", metadata: ["cause": "\(error)"])
        } catch let error as TranscodingError {
            let text = "\(error)"
            throw Self.failed(text, code: Self.code(in: text))
        }
    }

    /// Which error a text tells of, as the C library has it in words.
    private static func code(in text: String) -> Int32 {
        [ENOSYS, EPERM, EROFS, EACCES, EXDEV].first { text.contains(String(cString: strerror($0))) } ?? 0
    }

    /// Says what failed, and what is likely to be the cause.
    private static func failed(_ text: String, code: Int32) -> ExitCode {
        let name = vi_error_name(code).map { code == 0 ? "" : " (\(String(cString: $0)))" } ?? ""
        let cause: String? =
            switch code {
            case ENOSYS where text.hasPrefix("openat2"):
                "RestrictSUIDSGID=yes of the unit forbids it (systemd 252), or the kernel is older than 5.6"
            case ENOSYS: "SystemCallFilter= of the unit forbids it"
            case EPERM: "RestrictNamespaces= or SystemCallFilter= of the unit forbids it"
            case EROFS: "name the directory in ReadWritePaths= of the unit (ProtectSystem=), or mount it for writing"
            case EACCES: "the directory and all in it must be the service's own: run it as www-data, chown -R www-data:"
            case EXDEV: "the data directory must be one file system, with nothing mounted below it"
            default: nil
            }
        return ending(cause == nil ? 1 : 64, "self-test: \(text)\(name)" + (cause.map { ": \($0)" } ?? ""))
    }
}
