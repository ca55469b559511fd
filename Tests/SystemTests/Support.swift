import Foundation
import Glibc
import System
import TestTools
import Testing

typealias Child = System.ChildProcess

/// Runs a program in a sandbox and returns how it ended and what it wrote.
func run(
    _ command: [String], seconds: Double = 20, _ sandbox: Sandbox = .forShells, outputLimit: Int = .max,
    isCancelled: () -> Bool = { false }
) throws(SystemError) -> (outcome: Child.Outcome, output: String, complaints: String) {
    var output: [UInt8] = []
    let end = try Child(command, in: "/", sandbox).wait(
        until: .now + .seconds(seconds), outputLimit: outputLimit, isCancelled: isCancelled
    ) { output += $0 }
    return (end.outcome, String(decoding: output, as: UTF8.self), end.complaints)
}

extension Sandbox {
    /// Lets a shell do its work and look at itself.
    static var forShells: Sandbox {
        var sandbox = Sandbox()
        sandbox.startsProcesses = true
        sandbox.paths.append(Path("/proc", .read))
        return sandbox
    }
}
