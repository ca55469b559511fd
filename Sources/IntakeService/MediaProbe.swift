import Foundation
import Logging
import Subprocess

/// The duration of a video, from ffprobe in a child process, which runs while the digest is finished.
///
/// Media from strangers is never parsed in this process. The container is named and only files may be opened, so that
/// nothing in the file can lead ffprobe elsewhere.
final class MediaProbe: @unchecked Sendable {
    // SAFETY: `duration` is written before `done` is signalled and read after it.
    private let done = DispatchSemaphore(value: 0)
    private var duration = 0.0

    /// Seconds that ffprobe may take.
    private static let timeLimit = 5

    /// Starts ffprobe on the file at `path`.
    init(path: String, container: Container, logger: Logger) {
        Task.detached {
            do {
                self.duration = try await Self.probe(path, container)
            } catch {
                logger.warning("no duration: \(error)", metadata: ["file": "\(path)"])
            }
            self.done.signal()
        }
    }

    /// Waits for the result: seconds, 0 if ffprobe could not tell in time. To be called once.
    func wait() -> Double {
        done.wait()
        return duration
    }

    private static func probe(_ path: String, _ container: Container) async throws -> Double {
        try await withThrowingTaskGroup { group in
            group.addTask {
                var options = PlatformOptions()
                options.teardownSequence = []
                let result = try await run(
                    .name("ffprobe"),
                    arguments: [
                        "-v", "error", "-protocol_whitelist", "file", "-f", container.demuxer,
                        "-show_entries", "format=duration", "-of", "default=noprint_wrappers=1:nokey=1",
                        "-i", "file:\(path)",
                    ],
                    platformOptions: options,
                    output: .string(limit: 4096), error: .string(limit: 64 * 1024))
                let text = result.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines)
                guard let seconds = Double(text), seconds.isFinite, seconds >= 0 else {
                    let complaint = result.standardError.split(separator: "\n").last.map(String.init) ?? text
                    throw ProbeError(description: "ffprobe: \(complaint)")
                }
                return (seconds * 1000).rounded() / 1000
            }
            group.addTask {
                try await Task.sleep(for: .seconds(timeLimit))
                throw ProbeError(description: "ffprobe took more than \(timeLimit) s")
            }
            defer { group.cancelAll() }
            return try await group.next()!
        }
    }

    private struct ProbeError: Error, CustomStringConvertible {
        let description: String
    }
}
