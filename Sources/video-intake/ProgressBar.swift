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
        writeToStandardError("\r\u{1B}[K[\(bar)] \(Int(share * 100)) % \(text)")
    }

    /// Shows how many bytes have been read, of how many.
    func showBytes(_ read: Int, of all: Int) {
        show(Double(read) / Double(max(all, 1)), "of \(all / 1_048_576) MiB")
    }

    func clear() {
        if isShown { writeToStandardError("\r\u{1B}[K") }
    }
}

/// Writes what there is to say to standard error, if anybody is there to read it.
func writeToStandardError(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return }
        rest = rest.dropFirst(count)
    }
}
