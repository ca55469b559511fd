import Foundation
import Glibc

/// Where the contestants that come from PyPI are installed: the directory that VIDEO_INTAKE_BENCH_VENV names.
enum VirtualEnvironment {
    private static let directory = ProcessInfo.processInfo.environment["VIDEO_INTAKE_BENCH_VENV"]

    /// The path of a program.
    static func path(_ program: String) -> String {
        "\(directory ?? "")/bin/\(program)"
    }

    /// Why a program cannot be run; `nil` if it can.
    static func absence(of program: String) -> String? {
        guard directory != nil else { return "VIDEO_INTAKE_BENCH_VENV is not set" }
        return access(path(program), X_OK) == 0 ? nil : "no \(path(program))"
    }
}
