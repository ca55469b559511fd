import Glibc

/// SIGTERM, SIGINT and SIGHUP, taken by a thread that waits for them.
struct ProcessSignals {
    enum Signal {
        /// To end: SIGTERM or SIGINT.
        case stop(Int32)
        /// To read the settings again: SIGHUP.
        case reload
    }

    private let set: sigset_t

    /// From now on they wait until `wait` takes them; every thread made later inherits that. Before it, SIGHUP would kill.
    static func block() -> ProcessSignals {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        return ProcessSignals(set: set)
    }

    /// Waits for one. Where several have come, the one to end is the first, however fast the others follow each other.
    func wait() -> Signal {
        while true {
            switch take(within: nil) {
            case .stop(let number): return .stop(number)
            case .reload: return waitForStop(within: 0).map(Signal.stop) ?? .reload
            case nil: continue
            }
        }
    }

    /// Waits until the process is to end, for so many seconds at most. Returns the signal's number, `nil` if none came.
    func waitForStop(within seconds: Double = .infinity) -> Int32? {
        let end = ContinuousClock.now + .seconds(min(seconds, 1e9))
        repeat {
            let left = max(0, (end - .now) / .seconds(1))
            if case .stop(let number)? = take(within: left, stopOnly) { return number }
        } while .now < end
        return nil
    }

    /// Without SIGHUP, which then waits.
    private var stopOnly: sigset_t {
        var set = set
        sigdelset(&set, SIGHUP)
        return set
    }

    private func take(within seconds: Double?, _ set: sigset_t? = nil) -> Signal? {
        var set = set ?? self.set
        var number: Int32 = -1
        if let seconds {
            var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(seconds.truncatingRemainder(dividingBy: 1) * 1e9))
            number = sigtimedwait(&set, nil, &time)
        } else {
            number = sigwaitinfo(&set, nil)
        }
        return number < 0 ? nil : number == SIGHUP ? .reload : .stop(number)
    }
}
