import CFastCGI
import CSystem
import Glibc

/// libfcgi as a whole.
enum Library {
    /// 0 after FCGX_Init has worked, which is done once.
    static let initialisation: Int32 = {
        var before: [(signal: Int32, action: sigaction)] = []
        for signal in [SIGTERM, SIGUSR1, SIGPIPE] {
            var action = sigaction()
            sigaction(signal, nil, &action)
            before.append((signal, action))
        }
        let result = FCGX_Init()
        // FCGX_Init replaces default and ignored actions of these three signals. SIGTERM and SIGUSR1 are not its
        // business. Its empty handler for SIGPIPE can stay in place of the default: unlike SIG_IGN it does not pass
        // on to child processes. os_unix.c, OS_InstallSignalHandlers().
        for var (signal, action) in before where signal != SIGPIPE || vi_is_default_action(&action) == 0 {
            sigaction(signal, &action, nil)
        }
        return result
    }()

    /// Runs `body` with all signals blocked but those that a fault of the thread itself causes, so that no system call
    /// in it ends early: libfcgi takes EINTR for a broken connection.
    static func withSignalsBlocked<Result>(_ body: () -> Result) -> Result {
        var blocked = sigset_t()
        var before = sigset_t()
        sigfillset(&blocked)
        for signal in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT] {
            sigdelset(&blocked, signal)
        }
        pthread_sigmask(SIG_SETMASK, &blocked, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        return body()
    }
}
