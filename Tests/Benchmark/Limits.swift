import TestSupport

/// What no server can beat.
enum Limits {
    /// Bytes a second that libcrypto's MD5 digests on one core, by `openssl speed`.
    static func md5BytesPerSecond(seconds: Int) throws -> Double {
        let run = try ChildProcess.run(
            "openssl", ["speed", "-mr", "-bytes", "1048576", "-seconds", "\(seconds)", "md5"])
        // +F:5:md5:761790464.00
        let line = run.output.split(separator: "\n").first { $0.hasPrefix("+F:") }
        guard let figure = line?.split(separator: ":").last.flatMap({ Double($0) }) else {
            throw BenchmarkError("openssl speed: \(run.output) \(run.errors)")
        }
        return figure
    }
}
