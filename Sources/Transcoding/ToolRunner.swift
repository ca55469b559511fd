import System

/// Runs tools for one video, one after the other, within its processor time and its sandbox.
struct ToolRunner {
    let limits: TranscodingLimits
    let walls: SandboxWalls
    /// The file that the tools read: an absolute path; `nil` if they make something of nothing.
    let source: String?
    /// Where the tools work, and all that they may write to.
    let directory: String
    /// What they may use together.
    let watch: ToolWatch
    let isCancelled: () -> Bool

    /// Runs a tool to its end. `receive` gets its standard output.
    ///
    /// - Parameters:
    ///   - seconds: of processor time: fewer than are left for the video, if the tool must not take all of them.
    ///   - outputLimit: bytes that it may write to standard output.
    ///   - startsProcesses: whether the tool may start others.
    ///   - code: of the error if the tool does not end with 0 and does not tell why.
    func run(
        _ command: [String], within seconds: Double = .infinity, outputLimit: Int = .max, startsProcesses: Bool = false,
        otherwise code: TranscodingError.Code = .toolFailed, receive: (UnsafeRawBufferPointer) -> Void = { _ in }
    ) throws(TranscodingError) {
        let name = String(command[0].split(separator: "/").last ?? "")
        watch.begin(within: seconds)
        defer { watch.end() }
        var sandbox = sandbox(processorTime: watch.left(within: seconds))
        sandbox.startsProcesses = startsProcesses
        var verdict: String?
        let (outcome, complaints): (ChildProcess.Outcome, String)
        do throws(SystemError) {
            let child = try ChildProcess(command, in: directory, sandbox)
            let process = child.process
            (outcome, complaints) = try child.wait(
                until: .now + .seconds(limits.mostTime), outputLimit: outputLimit,
                isCancelled: {
                    verdict = watch.verdict(process)
                    return verdict != nil || isCancelled()
                },
                receive: { piece in
                    watch.noteOutput()
                    receive(piece)
                })
        } catch {
            let error = TranscodingError(error)
            throw TranscodingError(error.code, "\(name): \(error.reason)")
        }
        switch outcome {
        case .ended(.exit(0)): return
        case .ended(let end): throw TranscodingError(name, end, output: complaints, otherwise: code)
        case .timeLimit: throw TranscodingError(.timeLimit, "\(name): it took longer than it may", output: complaints)
        case .outputLimit:
            throw TranscodingError(.unsupported, "\(name): more to tell than \(outputLimit) bytes", output: complaints)
        case .cancelled:
            if let verdict { throw TranscodingError(.timeLimit, "\(name): \(verdict)", output: complaints) }
            throw TranscodingError(.cancelled, "\(name): cancelled", output: complaints)
        }
    }

    /// Runs a tool that looks at a file, and returns what it wrote to standard output.
    ///
    /// - Parameter limit: bytes. A tool that writes more is ended.
    /// - Throws: `unsupported` if it writes more, or if it fails: it does nothing else, so the file is the cause.
    func look(_ command: [String], within seconds: Double, limit: Int) throws(TranscodingError) -> [UInt8] {
        var output: [UInt8] = []
        try run(command, within: seconds, outputLimit: limit, otherwise: .unsupported) { output += $0 }
        return output
    }

    /// What a tool may that has so many seconds of processor time: see the file, and make another one of it.
    func sandbox(processorTime seconds: Double) -> Sandbox {
        var sandbox = Sandbox(walls: walls)
        if let source { sandbox.paths.append(Sandbox.Path(source, .read)) }
        sandbox.paths.append(Sandbox.Path(directory, [.read, .write]))
        sandbox.limits.addressSpace = limits.memory
        // All of a tool's processes together are watched here; this ends one that is not watched any more.
        sandbox.limits.processorTime = Int(min(seconds, 1e9).rounded(.up)) + 10
        sandbox.limits.fileSize = limits.fileSize
        sandbox.limits.openFiles = limits.openFiles
        sandbox.limits.niceness = 19
        return sandbox
    }
}

/// Runs something of the system and turns its error into one of transcoding.
func io<Result: ~Copyable>(_ body: () throws(SystemError) -> Result) throws(TranscodingError) -> Result {
    do throws(SystemError) {
        return try body()
    } catch {
        throw TranscodingError(error)
    }
}
