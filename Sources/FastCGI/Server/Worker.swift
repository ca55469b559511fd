import CSystem
import Glibc
import System

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
        guard
            let request = try? FastCGIRequest.read(
                from: connection, headFile: headFile, limits: server.limits, stop: stop,
                token: server.running.begin())
        else { return }
        server.handle(request)
    }

    /// Waits for a connection. Nil once the server stops and, on a socket of its own, nobody is left in the backlog:
    /// on a shared one those who wait there are the successor's.
    private func nextConnection(_ epoll: borrowing Descriptor) -> Connection? {
        while true {
            // Asked before accepting: what waits in the backlog at the stop is then seen by the last attempt.
            let isStopping = server.isStopping.load(ordering: .acquiring)
            if isStopping && isShared { return nil }
            switch Connection.accept(on: socket, isShared: isShared) {
            case .accepted(let connection): return connection
            case .nobody:
                if isStopping { return nil }
                _ = vi_epoll_wait_one(epoll.number, -1)
            case .exhausted:
                if isStopping { return nil }
                // No spinning while the connection that cannot be accepted keeps the socket readable.
                waitForStop(milliseconds: 50)
            }
        }
    }

    private func waitForStop(milliseconds: Int32) {
        var poll = pollfd(fd: stop, events: Int16(POLLIN), revents: 0)
        _ = Glibc.poll(&poll, 1, milliseconds)
    }
}

private func runWorker(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    Unmanaged<Worker>.fromOpaque(argument!).takeRetainedValue().run()
    return nil
}
