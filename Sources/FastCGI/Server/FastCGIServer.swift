import CSystem
import Glibc
import Synchronization
import System

/// Serves FastCGI requests on a listening socket with a fixed number of threads of its own.
///
/// Each thread accepts a connection, reads the request's parameters, runs the handler and goes on; a connection carries
/// one request. Thread-safe. A started server stays in memory until it is stopped.
package final class FastCGIServer: Sendable {
    let limits: ConnectionLimits
    let handler: @Sendable (FastCGIRequest) -> Void
    let running: RunningCount
    let isStopping = Atomic<Bool>(false)
    /// Threads that run the handler.
    private let handling = Atomic<Int>(0)
    /// How often the handler has returned.
    private let handled = Atomic<Int>(0)
    private let threads: Int
    /// The listening socket's, open while `state` has the socket.
    private let descriptor: Int32
    /// The socket's file, if the socket was made here and is not shared.
    private let file: SocketFile?
    /// An eventfd, readable for ever once the server is to stop: wakes the threads to see `isStopping`.
    private let stopSignal: Descriptor
    private let state: Mutex<State>
    /// Threads that may use the socket. Not in `state`: the thread sanitizer does not see through a contended Mutex.
    private let workers = Atomic<Int>(0)

    private struct State: ~Copyable {
        /// Closed by the last thread that uses it.
        var socket: ListeningSocket?
        var isUsed = false
    }

    /// Creates a server which does nothing yet. It initialises libfcgi, after which SIGPIPE no longer ends the process.
    ///
    /// - Parameters:
    ///   - threads: at least 1. A silent connection holds one for `limits.timeout`.
    ///   - handler: called on these threads, several at a time.
    package init(
        socket: consuming ListeningSocket, threads: Int, limits: ConnectionLimits = .standard,
        handler: @escaping @Sendable (FastCGIRequest) -> Void
    ) throws(FastCGIServerError) {
        guard Library.initialisation == 0 else { throw .library(Library.initialisation) }
        do throws(SystemError) {
            stopSignal = try Descriptor(owning: SystemError.check("eventfd") { eventfd(0, Int32(EFD_CLOEXEC)) })
            running = try RunningCount()
        } catch {
            throw .system(error)
        }
        self.threads = max(threads, 1)
        self.limits = limits
        self.handler = handler
        descriptor = socket.descriptor.number
        file = socket.file
        state = Mutex(State(socket: socket))
    }

    /// Starts the threads. Once only; if it throws, the server is stopped.
    package func start() throws(FastCGIServerError) {
        let isFirst = state.withLock { state in
            defer { state.isUsed = true }
            return !state.isUsed
        }
        guard isFirst else { throw .used }
        workers.store(threads, ordering: .relaxed)  // before there are any
        var started = 0
        do throws(SystemError) {
            // All first, so that the count does not go back to 0 in between.
            var workers: [Worker] = []
            for _ in 0..<threads {
                workers.append(
                    try Worker(
                        server: self, socket: descriptor, isShared: file == nil, stop: stopSignal.number,
                        token: running.begin()))
            }
            for (index, worker) in workers.enumerated() {
                try worker.startThread(name: "fastcgi-\(index)")
                started += 1
            }
        } catch {
            for _ in started..<threads { workerEnded() }
            _ = stop(grace: 0)
            throw .system(error)
        }
    }

    /// Stops accepting and waits until all requests are answered, those that a handler keeps included.
    ///
    /// The file of a socket made here goes first, then connections that wait in its backlog are still served. Those on
    /// an inherited socket stay for the process that has it next. May be called again, to wait longer.
    ///
    /// - Parameter grace: seconds to wait at most.
    /// - Returns: whether everything ended in time. If not, threads and the socket stay as they are.
    @discardableResult
    package func stop(grace: Double) -> Bool {
        let deadline = Deadline(after: grace)
        let unused: ListeningSocket? = state.withLock { state in
            defer { state.isUsed = true }
            return state.isUsed ? nil : state.socket.take()
        }
        _ = consume unused
        file?.remove()
        isStopping.store(true, ordering: .releasing)
        _ = eventfd_write(stopSignal.number, 1)
        return running.waitForEnd(until: deadline)
    }

    func handle(_ request: FastCGIRequest) {
        handling.add(1, ordering: .relaxed)
        handler(request)
        handling.subtract(1, ordering: .relaxed)
        handled.add(1, ordering: .relaxed)
    }

    /// How often the handler has returned. A number that only grows.
    package var handledCount: Int { handled.load(ordering: .relaxed) }

    /// Whether each thread is in the handler, and none because its peer takes its time.
    package var isSaturated: Bool {
        handling.load(ordering: .relaxed) - running.waiting.load(ordering: .relaxed) >= threads
    }

    /// Called by each thread when it no longer uses the socket.
    func workerEnded() {
        guard workers.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return }
        let socket: ListeningSocket? = state.withLock { $0.socket.take() }
        _ = consume socket
    }
}

/// Why a server could not start.
package enum FastCGIServerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// It was started or stopped before.
    case used
    /// libfcgi could not be initialised.
    case library(Int32)
    case system(SystemError)

    /// One sentence for the person who started the program.
    package var description: String {
        switch self {
        case .used: "the server was started or stopped before"
        case .library(let code): "libfcgi cannot be initialised: \(code)"
        case .system(let error): "\(error)"
        }
    }
}

// MARK: - Threads

/// One accepting thread: accepts a connection, lets the handler serve it, accepts the next.
///
/// Made by the thread which starts the server, then used by its own thread only.
final class Worker {
    private let server: FastCGIServer
    private let socket: Int32
    private let isShared: Bool
    private let stop: Int32
    // Optional because they must be gone, in this order, before the end of `run` is known elsewhere.
    private var epoll: Descriptor?
    private var headFile: HeadFile?
    private var token: RunningCount.Token?

    /// Waits on `socket` and on the eventfd `stop`, which stay open until `run` has told the server of its end.
    init(
        server: FastCGIServer, socket: Int32, isShared: Bool, stop: Int32, token: consuming RunningCount.Token
    ) throws(SystemError) {
        self.server = server
        self.socket = socket
        self.isShared = isShared
        self.stop = stop
        self.token = consume token
        let number = try SystemError.check("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) }
        epoll = Descriptor(owning: number)
        headFile = try HeadFile()
        // Exclusive: a connection wakes one of the threads that wait, not all of them. On a shared socket that one may
        // be about to end, and the successor's threads would not hear of the connection before the next one comes.
        for (descriptor, isExclusive) in [(stop, false), (socket, !isShared)] {
            _ = try SystemError.check("epoll_ctl") { vi_epoll_add(number, descriptor, isExclusive ? 1 : 0) }
        }
    }

    /// Starts a thread which does `run`.
    func startThread(name: String) throws(SystemError) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, 1 << 20)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let worker = Unmanaged.passRetained(self)
        var thread = pthread_t()
        // The thread inherits the mask, so that no signal handler interrupts it. So would a child process it starts.
        let code = Library.withSignalsBlocked {
            pthread_create(&thread, &attributes, { runWorker($0) }, worker.toOpaque())
        }
        guard code == 0 else {
            worker.release()
            throw SystemError("pthread_create", code: code)
        }
        _ = vi_name_thread(thread, name)
    }

    fileprivate func run() {
        if let epoll = epoll.take(), let headFile = headFile.take() {
            while let connection = nextConnection(epoll) {
                serve(connection, headFile)
            }
        }
        server.workerEnded()
        token = nil
    }

    private func serve(_ connection: consuming Connection, _ headFile: borrowing HeadFile) {
        if let request = try? FastCGIRequest(from: connection, headFile: headFile, limits: server.limits, stop: stop) {
            server.handle(request)
        }
    }

    /// Waits for a connection. Returns `nil` once the server stops and, on a socket of its own, the backlog is empty. The
    /// backlog of a shared socket is the successor's.
    private func nextConnection(_ epoll: borrowing Descriptor) -> Connection? {
        while true {
            // Asked before accepting: what waits in the backlog at the stop is then seen by the last attempt.
            let isStopping = server.isStopping.load(ordering: .acquiring)
            if isStopping && isShared { return nil }
            switch Connection.accept(on: socket, isShared: isShared, countedBy: server.running) {
            case .accepted(let connection): return connection
            case .nobody:
                if isStopping { return nil }
                _ = vi_epoll_wait_one(epoll.number, -1)
            case .exhausted:
                if isStopping { return nil }
                // No spinning while the connection that cannot be accepted keeps the socket readable.
                var stopping = pollfd(fd: stop, events: Int16(POLLIN), revents: 0)
                _ = poll(&stopping, 1, 50)
            }
        }
    }
}

private func runWorker(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    Unmanaged<Worker>.fromOpaque(argument!).takeRetainedValue().run()
    return nil
}
