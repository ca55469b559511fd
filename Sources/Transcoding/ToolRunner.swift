import ChunkStore
import System

/// Runs tools for one video, one after the other, within its processor time.
struct ToolRunner {
    let sandbox: ToolSandbox
    /// Where the tools work.
    let directory: String
    /// What they may use together.
    let watch: ToolWatch
    let isCancelled: () -> Bool

    /// Runs a tool to its end. `receive` gets its standard output.
    ///
    /// - Parameters:
    ///   - seconds: of processor time: fewer than are left for the video, if the tool must not take all of them.
    ///   - code: of the error if the tool does not end with 0 and does not tell why.
    func run(
        _ command: [String], within seconds: Double = .infinity, otherwise code: TranscodingError.Code = .toolFailed,
        receive: (UnsafeRawBufferPointer) throws(TranscodingError) -> Void = { _ in }
    ) throws(TranscodingError) {
        let name = String(command[0].split(separator: "/").last ?? "")
        let end: (end: MediaTool.End, complaints: String)
        var verdict: String?
        watch.begin(within: seconds)
        defer { watch.end() }
        do throws(TranscodingError) {
            let tool = try io { () throws(SystemError) in
                try MediaTool(sandbox.command(command, seconds: watch.left(within: seconds)), in: directory)
            }
            let process = tool.process
            end = try tool.wait(
                until: .now + .seconds(sandbox.limits.mostTime),
                isCancelled: {
                    verdict = watch.verdict(process)
                    return verdict != nil || isCancelled()
                },
                receive: { piece throws(TranscodingError) in
                    watch.noteOutput()
                    try receive(piece)
                })
        } catch  where error.code == .cancelled && verdict != nil {
            throw TranscodingError(.timeLimit, "\(name): \(verdict!)", output: error.output)
        } catch {
            throw TranscodingError(
                error.code, "\(name): \(error.reason)", output: error.output, isOverBudget: error.isOverBudget)
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
