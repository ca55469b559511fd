import Glibc
import System

/// Why a video was not transcoded: a code that stays the same in every version, and what an operator wants to know.
package struct TranscodingError: Error, Equatable, CustomStringConvertible {
    package enum Code: String, Codable, CaseIterable, Sendable {
        /// Nothing of the file can be played: it is damaged, or no video. This and the next five are the file's own, so
        /// another attempt ends the same way.
        case unsupported
        /// The index is missing, which says where pictures and sounds are in the file.
        case noIndex
        /// The picture is encrypted.
        case encrypted
        /// There is no picture, or not one whole one: sound alone, a track that is announced and empty.
        case noPicture
        /// The picture is of a kind that ffmpeg does not know.
        case unknownCodec
        /// It would cost more than a video may: pictures, a side, bytes of the result.
        case tooMuch
        /// The tools used more processor time than a video like this may take, or one of them did nothing. Another attempt
        /// ends the same way.
        case timeLimit
        /// A tool wanted more memory than it may have, or the kernel ran out of it.
        case memoryLimit
        /// The caller asked for the end.
        case cancelled
        /// ffmpeg, ffprobe or a command of the profile failed, or its result is not what was asked for.
        case toolFailed
        /// The disk is full. Another attempt may succeed when there is room.
        case noSpace
        /// A system call of this process failed.
        case io
    }

    package let code: Code
    /// One line for people.
    package let reason: String
    /// The last lines that the tool wrote to standard error: printable text of at most `OutputTail.limit` bytes, or
    /// nothing. It may quote the video.
    package let output: String

    package init(_ code: Code, _ reason: String, output: String = "") {
        self.code = code
        self.reason = reason
        self.output = output
    }

    package init(_ error: SystemError) { self.init(error.isDiskFull ? .noSpace : .io, error.description) }

    /// The same with the name of the tool, or of what it made.
    func named(_ name: String, _ code: Code? = nil) -> TranscodingError {
        TranscodingError(code ?? self.code, "\(name): \(reason)", output: output)
    }

    /// Whether the file is the cause: another attempt ends the same way.
    package var isOfFile: Bool {
        switch code {
        case .unsupported, .noIndex, .encrypted, .noPicture, .unknownCodec, .tooMuch: true
        case .timeLimit, .memoryLimit, .cancelled, .toolFailed, .noSpace, .io: false
        }
    }

    package var description: String {
        output.isEmpty ? "\(code.rawValue): \(reason)" : "\(code.rawValue): \(reason): \(output)"
    }

    /// What a tool's way to end and its last words tell.
    ///
    /// ffmpeg tells causes as text only, and ends with 1 for all of them. A text that a video made it say can choose the
    /// wrong code, which decides no more than whether the job is tried again.
    /// - Parameter otherwise: the code where nothing tells the cause.
    init(_ tool: String, _ end: ChildProcess.End, output: String, otherwise: Code = .toolFailed) {
        func says(_ phrases: [String]) -> Bool { phrases.contains(where: output.contains) }
        let (code, reason): (Code, String) =
            switch end {
            case .signal(SIGXCPU): (.timeLimit, "\(tool) used more processor time than it may")
            case .signal(SIGXFSZ): (.tooMuch, "\(tool) wrote a file that is larger than it may be")
            // Not by this process, which would have thrown another error.
            case .signal(SIGKILL): (.memoryLimit, "\(tool) was killed, as the kernel does when memory runs out")
            case .signal(let number): (otherwise, "\(tool) was ended by signal \(number)")
            // ffmpeg catches SIGXCPU, 24 on every Linux that Debian runs on here.
            case .exit(255) where says(["received signal 24"]):
                (.timeLimit, "\(tool) used more processor time than it may")
            case .exit where says(Self.spacePhrases): (.noSpace, "\(tool) found no room on the disk")
            case .exit where says(Self.memoryPhrases): (.memoryLimit, "\(tool) wanted more memory than it may have")
            case .exit(126), .exit(127):
                (.toolFailed, "\(tool) cannot be started")
            case .exit where says(Self.unsupportedPhrases): (.unsupported, "\(tool) cannot decode the file")
            case .exit(let status): (otherwise, "\(tool) ended with \(status)")
            }
        self.init(code, reason, output: output)
    }

    private static let spacePhrases = ["No space left on device", "Disk quota exceeded"]

    /// Of libc, the dynamic linker, ffmpeg, x264. An encoder with our settings can be opened if there is memory for its threads.
    private static let memoryPhrases = [
        "Cannot allocate memory", "failed to map segment", "malloc of size", "Failed to allocate", "Out of memory",
        "Resource temporarily unavailable", "Error while opening encoder",
    ]

    private static let unsupportedPhrases = [
        "Invalid data found when processing input", "Could not find codec parameters", "moov atom not found",
        "matches no streams", "Decoder (codec", "Picture size",
    ]
}

/// Runs something of the system and turns its error into one of transcoding.
func io<Result: ~Copyable>(_ body: () throws(SystemError) -> Result) throws(TranscodingError) -> Result {
    do throws(SystemError) {
        return try body()
    } catch {
        throw TranscodingError(error)
    }
}
