import Foundation
import Glibc
import Logging

/// The duration of a video, from ffprobe in a child process, which runs while the digest is finished.
///
/// Media from strangers is never parsed in this process. The container is named and only files may be opened, so that
/// nothing in the file can lead ffprobe elsewhere.
final class MediaProbe {
    private let process = Process()
    private let output = Pipe()
    private let ended = DispatchSemaphore(value: 0)
    private let deadline = DispatchTime.now() + timeLimit
    private let path: String
    private let logger: Logger

    /// Seconds that ffprobe may take.
    private static let timeLimit = 5.0

    /// Starts ffprobe on the file at `path`.
    init(path: String, container: Container, logger: Logger) {
        self.path = path
        self.logger = logger
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "ffprobe", "-v", "quiet", "-protocol_whitelist", "file", "-f", container.demuxer,
            "-show_entries", "format=duration", "-of", "default=noprint_wrappers=1:nokey=1", "-i", "file:\(path)",
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        process.terminationHandler = { [ended] _ in ended.signal() }
        do {
            try process.run()
        } catch {
            logger.warning("no duration: \(error)", metadata: ["file": "\(path)"])
            ended.signal()
        }
    }

    /// Waits for the result: seconds, 0 if ffprobe could not tell in time. To be called once.
    func wait() -> Double {
        if ended.wait(timeout: deadline) == .timedOut {
            kill(process.processIdentifier, SIGKILL)
            ended.wait()
            logger.warning("no duration: ffprobe took more than \(Self.timeLimit) s", metadata: ["file": "\(path)"])
            return 0
        }
        guard process.processIdentifier != 0 else { return 0 }
        let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let seconds = Double(text.trimmingCharacters(in: .whitespacesAndNewlines)), seconds.isFinite, seconds >= 0
        else {
            logger.warning("no duration: ffprobe cannot read the file", metadata: ["file": "\(path)"])
            return 0
        }
        return (seconds * 1000).rounded() / 1000
    }
}
