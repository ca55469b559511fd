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

    /// Waits for one.
    func wait() -> Signal {
        while true { if let signal = take(within: nil) { return signal } }
    }

    /// Waits until the process is to end, for so many seconds at most. Returns the signal's number, `nil` if none came.
    func waitForStop(within seconds: Double = .infinity) -> Int32? {
        let end = ContinuousClock.now + .seconds(min(seconds, 1e9))
        while case let left = (end - .now) / .seconds(1), left > 0 {
            if case .stop(let number)? = take(within: left) { return number }
        }
        return nil
    }

    private func take(within seconds: Double?) -> Signal? {
        var set = set
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
