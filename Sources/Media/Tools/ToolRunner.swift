import System

/// Runs tools for one video, one after the other, within its processor time and its sandbox.
struct ToolRunner {
    let limits: TranscodingLimits
    let walls: SandboxWalls
    /// The file that the tools read: an absolute path; `nil` if they make something of nothing.
    let source: String?
    /// Where the tools work, and all that they may write to.
    let directory: ResultDirectory
    /// What they may use together.
    let watch: ToolWatch
    let isCancelled: () -> Bool
    /// Told how many bytes a tool is about to write: before it begins, and while it runs how many are left, 0 at its end. Where
    /// it says before that there is no room, the tool is not started.
    var takeRoom: (Int) -> Bool = { _ in true }

    /// Runs a tool to its end. `receive` gets its standard output.
    ///
    /// - Parameters:
    ///   - seconds: of processor time: fewer than are left for the video, if the tool must not take all of them.
    ///   - outputLimit: bytes that it may write to standard output.
    ///   - size: what it may write to files; `nil` for one that only reads.
    ///   - startsProcesses: whether the tool may start others.
    ///   - code: of the error if the tool does not end with 0 and does not tell why.
    /// - Returns: the last lines that it wrote to standard error.
    @discardableResult
    func run(
        _ command: [String], within seconds: Double = .infinity, outputLimit: Int = .max,
        writing size: OutputSize? = nil,
        startsProcesses: Bool = false, otherwise code: TranscodingError.Code = .toolFailed,
        receive: (UnsafeRawBufferPointer) -> Void = { _ in }
    ) throws(TranscodingError) -> String {
        let name = String(command[0].split(separator: "/").last ?? "")
        var output: OutputWatch?
        if let size {
            guard takeRoom(size.room) else {
                throw TranscodingError(.noSpace, "there is no room for the \(size.room) bytes that \(name) may write")
            }
            output = try OutputWatch(directory, limit: size.limit)
        }
        defer { if size != nil { _ = takeRoom(0) } }
        watch.begin(within: seconds)
        defer { watch.end() }
        var sandbox = sandbox(processorTime: watch.left(within: seconds))
        sandbox.startsProcesses = startsProcesses
        if let size { sandbox.limits.fileSize = min(limits.fileSize, size.limit) }
        var verdict: String?
        var excess: TranscodingError?
        let (outcome, complaints): (ChildProcess.Outcome, String)
        do throws(SystemError) {
            let child = try ChildProcess(command, in: directory.path, sandbox)
            let process = child.process
            (outcome, complaints) = try child.wait(
                until: .now + .seconds(limits.mostTime), outputLimit: outputLimit,
                isCancelled: {
                    verdict = watch.verdict(process)
                    if let size, let output {
                        do throws(TranscodingError) {
                            if try output.lookIfDue() { _ = takeRoom(max(0, size.room - output.written)) }
                        } catch {
                            excess = error
                        }
                    }
                    return verdict != nil || excess != nil || isCancelled()
                },
                receive: { piece in
                    watch.noteOutput()
                    receive(piece)
                })
        } catch {
            throw TranscodingError(error).named(name)
        }
        switch outcome {
        case .ended(.exit(0)):
            do throws(TranscodingError) {
                try output?.look()
            } catch {
                throw error.named(name)
            }
            return complaints
        case .ended(let end): throw TranscodingError(name, end, output: complaints, otherwise: code)
        case .timeLimit: throw TranscodingError(.timeLimit, "\(name): it took longer than it may", output: complaints)
        case .outputLimit:
            throw TranscodingError(.unsupported, "\(name): more to tell than \(outputLimit) bytes", output: complaints)
        case .cancelled:
            if let excess { throw excess.named(name) }
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
        sandbox.paths.append(Sandbox.Path(directory.path, [.read, .write]))
        sandbox.limits.addressSpace = limits.memory
        // All of a tool's processes together are watched here; this ends one that is not watched any more.
        sandbox.limits.processorTime = Int(min(seconds, 1e9).rounded(.up)) + 10
        sandbox.limits.fileSize = limits.fileSize
        sandbox.limits.openFiles = limits.openFiles
        sandbox.limits.niceness = 19
        return sandbox
    }
}

extension TranscodingError {
    /// The same with the name of the tool.
    fileprivate func named(_ tool: String) -> TranscodingError {
        TranscodingError(code, "\(tool): \(reason)", output: output)
    }
}
