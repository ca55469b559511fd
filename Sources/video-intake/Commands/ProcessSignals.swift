import Glibc

/// SIGTERM, SIGINT and SIGHUP, taken by a thread that waits for them.
struct ProcessSignals {
    private let set: sigset_t

    /// From now on they wait until `waitForStop` takes them; every thread made later inherits that. Before it, SIGHUP would kill.
    static func block() -> ProcessSignals {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        return ProcessSignals(set: set)
    }

    /// Waits until the process is to end, and runs `reload` for each SIGHUP before. Where several signals have come, the one
    /// to end is the first, however fast the others follow each other. Returns the number of the signal to end.
    func waitForStop(reload: () -> Void) -> Int32 {
        while true {
            switch take(set) {
            case SIGHUP?:
                if let number = waitForStop(within: 0) { return number }
                reload()
            case let number?: return number
            case nil: continue
            }
        }
    }

    /// Waits for a signal that ends the process, up to `seconds`. Returns its number, `nil` if none came.
    func waitForStop(within seconds: Double = .infinity) -> Int32? {
        let end = ContinuousClock.now + .seconds(min(seconds, 1e9))
        repeat {
            let left = max(0, (end - .now) / .seconds(1))
            if let number = take(stopOnly, within: left) { return number }
        } while .now < end
        return nil
    }

    /// Without SIGHUP, which then waits.
    private var stopOnly: sigset_t {
        var set = set
        sigdelset(&set, SIGHUP)
        return set
    }

    /// Returns the number of one of these signals, `nil` if none came.
    private func take(_ set: sigset_t, within seconds: Double? = nil) -> Int32? {
        var set = set
        var number: Int32 = -1
        if let seconds {
            var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(seconds.truncatingRemainder(dividingBy: 1) * 1e9))
            number = sigtimedwait(&set, nil, &time)
        } else {
            number = sigwaitinfo(&set, nil)
        }
        return number < 0 ? nil : number
    }
}
