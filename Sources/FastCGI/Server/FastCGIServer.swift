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
        socket: consuming ListeningSocket, threads: Int, limits: ConnectionLimits = ConnectionLimits(),
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
            if state.isUsed { return false }
            state.isUsed = true
            return true
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
