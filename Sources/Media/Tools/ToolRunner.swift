import Glibc
import System

/// Runs tools for one video, one after the other, within its processor time and its sandbox.
struct ToolRunner {
    let limits: TranscodingLimits
    let walls: SandboxWalls
    /// The file that the tools read: an absolute path; `nil` if they make something of nothing.
    var source: String?
    /// Where the tools work, and all that they may write to.
    let directory: ResultDirectory
    /// What they may use together.
    let watch: ToolWatch
    var isCancelled: () -> Bool = { false }
    /// Told how many bytes a tool is about to write: before it begins, and while it runs how many are left, 0 at its end. Where
    /// it says before that there is no room, the tool is not started.
    var takeRoom: (Int) -> Bool = { _ in true }

    /// Runs a tool to its end. `receive` gets its standard output.
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
        writing size: OutputSize? = nil, startsProcesses: Bool = false,
        otherwise code: TranscodingError.Code = .toolFailed,
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
        case .ended(.exit(0)): break
        case .ended(let end): throw TranscodingError(name, end, output: complaints, otherwise: code)
        case .timeLimit: throw TranscodingError(.timeLimit, "\(name): it took longer than it may", output: complaints)
        case .outputLimit:
            throw TranscodingError(.unsupported, "\(name): more to tell than \(outputLimit) bytes", output: complaints)
        case .cancelled:
            if let excess { throw excess.named(name) }
            if let verdict { throw TranscodingError(.timeLimit, "\(name): \(verdict)", output: complaints) }
            throw TranscodingError(.cancelled, "\(name): cancelled", output: complaints)
        }
        do throws(TranscodingError) {
            try output?.look()
        } catch {
            throw error.named(name)
        }
        return complaints
    }

    /// Asks ffprobe about a file, and returns what it wrote to standard output.
    /// - Throws: `unsupported` if it fails, or writes more than such a report may have: it does nothing else, so the file is the
    ///   cause.
    func ask(_ question: FFprobe, of file: SourceFile) throws(TranscodingError) -> [UInt8] {
        var output: [UInt8] = []
        try run(
            question.command(file, sideLimit: limits.side), within: limits.probeTime,
            outputLimit: FFprobe.reportLimit, otherwise: .unsupported
        ) { output += $0 }
        return output
    }

    /// What a tool may that has so many seconds of processor time: see the file, and make another one of it.
    private func sandbox(processorTime seconds: Double) -> Sandbox {
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

/// What the tools of one video have used, and whether one of them has to end. Used by one thread.
/// Processor time counts and not the clock: on a busy machine a good video takes longer, and costs no more.
final class ToolWatch {
    private let limits: TranscodingLimits
    /// What a process and its children have used, in seconds.
    private let processorTime: (pid_t) -> Double?
    private let isPaused: () -> Bool
    /// Seconds of processor time for all tools together.
    var limit: Double
    /// Seconds of processor time of the tools that have ended.
    private(set) var used = 0.0

    // Of the tool that runs.
    private var toolLimit = Double.infinity
    private var toolUsed = 0.0
    private var start = SuspendingClock.now
    private var lastLook = SuspendingClock.now
    /// When it last did something, and the processor time that it had used by then.
    private var lastSign = SuspendingClock.now
    private var usedAtSign = 0.0
    private var reasonToStop: String?
    private var standsStill = false

    /// Seconds between two looks at the processor time.
    private static let interval = 0.5

    /// - Parameter isPaused: whether a tool is to stand still.
    init(
        _ limits: TranscodingLimits, limit: Double, isPaused: @escaping () -> Bool = { false },
        processorTime: @escaping (pid_t) -> Double? = ProcessorTime.ofTree
    ) {
        self.limits = limits
        self.limit = limit
        self.isPaused = isPaused
        self.processorTime = processorTime
    }

    /// Seconds of processor time that a tool may use: those that are left, at most `seconds`.
    func left(within seconds: Double) -> Double { max(0, min(seconds, limit - used)) }

    func begin(within seconds: Double) {
        toolLimit = left(within: seconds)
        toolUsed = 0
        (reasonToStop, standsStill) = (nil, false)
        (start, lastLook) = (.now, .now)
        (lastSign, usedAtSign) = (.now, 0)
    }

    func noteOutput() { lastSign = .now }

    /// Has the tool end.
    func stop(because reason: String) { reasonToStop = reason }

    func end() {
        used += toolUsed
        toolUsed = 0
    }

    /// Why the tool must end, `nil` if it may go on. To be asked several times a second: it lets the tool stand still and go on.
    /// - Parameter process: the leader of the tool's process group.
    func verdict(_ process: pid_t) -> String? {
        if let reasonToStop { return reasonToStop }
        let now = SuspendingClock.now
        if isPaused() != standsStill {
            standsStill.toggle()
            kill(-process, standsStill ? SIGSTOP : SIGCONT)
            lastSign = now
        }
        if standsStill { return nil }
        guard (now - lastLook) / .seconds(1) >= Self.interval else { return nil }
        lastLook = now
        toolUsed = max(toolUsed, processorTime(process) ?? 0)
        if toolUsed > toolLimit {
            return "it used more processor time than it may, \(Int(toolLimit.rounded(.up))) s"
        }
        if toolUsed >= usedAtSign + 1 { (lastSign, usedAtSign) = (now, toolUsed) }
        if (now - lastSign) / .seconds(1) >= limits.stallTime {
            return "it did nothing for \(Int(limits.stallTime)) s"
        }
        if (now - start) / .seconds(1) >= limits.mostTime {
            return "it took longer than it may, \(Int(limits.mostTime)) s"
        }
        return nil
    }
}

/// How much a tool has written below a directory. Used by one thread.
final class OutputWatch {
    private let directory: ResultDirectory
    private let limit: Int
    /// Bytes that were there before.
    private let before: Int
    private(set) var written = 0
    private var nextLook = SuspendingClock.now

    /// Seconds between two looks, and how many times longer than a look at least: there may be 20,000 files.
    private static let interval = 0.2
    private static let pause = 20.0

    /// - Parameter limit: bytes that the tool may write.
    init(_ directory: ResultDirectory, limit: Int) throws(TranscodingError) {
        self.directory = directory
        self.limit = limit
        before = try directory.size()
    }

    /// Looks if it is time to. Returns whether it has looked.
    func lookIfDue() throws(TranscodingError) -> Bool {
        let start = SuspendingClock.now
        guard start >= nextLook else { return false }
        try look()
        nextLook = .now + .seconds(max(Self.interval, Self.pause * ((.now - start) / .seconds(1))))
        return true
    }

    /// - Throws: `tooMuch` if it has written more than it may.
    func look() throws(TranscodingError) {
        written = max(0, try directory.size() - before)
        guard written > limit else { return }
        throw TranscodingError(.tooMuch, "it wrote \(written) bytes or more, \(limit) are allowed for this video")
    }
}
