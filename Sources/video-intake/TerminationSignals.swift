import Glibc

/// SIGTERM and SIGINT, taken by a thread that waits for them.
struct TerminationSignals {
    private let set: sigset_t

    /// From now on they wait until `wait` takes them; every thread made later inherits that.
    static func block() -> TerminationSignals {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGTERM)
        sigaddset(&set, SIGINT)
        pthread_sigmask(SIG_BLOCK, &set, nil)
        return TerminationSignals(set: set)
    }

    /// Waits for one. Returns its number.
    func wait() -> Int32 {
        var set = set
        var signal: Int32 = 0
        while sigwait(&set, &signal) != 0 {}
        return signal
    }
}
