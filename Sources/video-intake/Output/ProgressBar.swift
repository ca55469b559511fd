import Foundation
import Glibc

/// One line of standard error that tells how far something is, if that is a terminal. For one thread.
final class ProgressBar {
    var isShown = isatty(STDERR_FILENO) == 1
    private var last: ContinuousClock.Instant?

    /// Shows the bar with a text behind it; five times a second at most.
    ///
    /// - Parameter share: from 0 to 1.
    func show(_ share: Double, _ text: String) {
        guard isShown, last.map({ .now - $0 > .milliseconds(200) }) ?? true else { return }
        last = .now
        let share = min(max(share, 0), 1)
        let bar = String(repeating: "#", count: Int(share * 30)).padding(toLength: 30, withPad: ".", startingAt: 0)
        LogStream.write("\r\u{1B}[K[\(bar)] \(Int(share * 100)) % \(text)")
    }

    /// Shows how many bytes have been read, of how many.
    func showBytes(_ read: Int, of all: Int) {
        show(Double(read) / Double(max(all, 1)), "of \(all / 1_048_576) MiB")
    }

    func clear() {
        if isShown { LogStream.write("\r\u{1B}[K") }
    }
}
