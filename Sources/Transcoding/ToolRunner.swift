import ChunkStore
import System

/// Runs tools for one video, one after the other, within its time.
struct ToolRunner {
    let sandbox: ToolSandbox
    /// Where the tools work.
    let directory: String
    var deadline: ContinuousClock.Instant
    let isCancelled: () -> Bool

    /// Runs a tool to its end. `receive` gets its standard output.
    ///
    /// - Parameters:
    ///   - seconds: fewer than there are until the deadline, if the tool must not take all of them.
    ///   - code: of the error if the tool does not end with 0 and does not tell why.
    func run(
        _ command: [String], within seconds: Double = .infinity, otherwise code: TranscodingError.Code = .toolFailed,
        receive: (UnsafeRawBufferPointer) throws(TranscodingError) -> Void = { _ in }
    ) throws(TranscodingError) {
        let name = String(command[0].split(separator: "/").last ?? "")
        let left = (deadline - .now) / .seconds(1)
        let time = max(0, min(left, seconds))
        let end: (end: MediaTool.End, complaints: String)
        do throws(TranscodingError) {
            end = try io { () throws(SystemError) in
                try MediaTool(sandbox.command(command, seconds: time), in: directory)
            }.wait(until: .now + .seconds(time), isCancelled: isCancelled, receive: receive)
        } catch {
            throw TranscodingError(error.code, "\(name): \(error.reason)", output: error.output)
        }
        if end.end != .exit(0) {
            throw TranscodingError(name, end.end, output: end.complaints, otherwise: code)
        }
    }

    /// Runs a tool that looks at a file, and returns what it wrote to standard output.
    ///
    /// - Parameter limit: bytes. A tool that writes more is ended.
    /// - Throws: `unsupported` if it writes more, or if it fails: it does nothing else, so the file is the cause.
    func look(_ command: [String], within seconds: Double, limit: Int) throws(TranscodingError) -> [UInt8] {
        var output: [UInt8] = []
        try run(command, within: seconds, otherwise: .unsupported) { piece throws(TranscodingError) in
            output += piece
            if output.count > limit { throw TranscodingError(.unsupported, "more to tell than \(limit) bytes") }
        }
        return output
    }
}
