import Glibc
import Logging

/// What keeps a tool in its limits: programs of Debian's util-linux and coreutils that stand before it, each of which
/// sets something and then becomes the next one. The process stays the same.
struct ToolSandbox: Sendable {
    var limits: TranscodingLimits
    /// The command that takes the network away; empty if the kernel does not allow it.
    private let withoutNetwork: [String]

    /// The programs that stand before a tool: what they complain about is no fault of the video.
    static let names = ["prlimit", "nice", "unshare", "setpriv"]

    /// Finds out what the kernel allows, and logs it if the network stays.
    init(limits: TranscodingLimits, logger: Logger) {
        self.limits = limits
        // Root keeps its rights with the first one, which others may not use; in a user namespace of its own it would
        // lose them over other users' files.
        let candidates = [["unshare", "--net"], ["unshare", "--user", "--map-current-user", "--net"]]
        withoutNetwork = candidates.first(where: Self.works) ?? []
        if withoutNetwork.isEmpty {
            logger.notice(
                "ffmpeg can reach the network: the kernel or the service's unit lets it have no namespace of its own")
        }
    }

    private static func works(_ command: [String]) -> Bool {
        guard let tool = try? MediaTool(command + ["true"], in: "/") else { return false }
        let deadline = ContinuousClock.now + .seconds(5)
        return (try? tool.wait(until: deadline, isCancelled: { false }, receive: { _ in }))?.end == .exit(0)
    }

    /// The whole command for a tool that may use so many seconds of processor time.
    func command(_ tool: [String], seconds: Double) -> [String] {
        // All of a tool's processes together are watched here; this ends one that nobody watches any more.
        let processorTime = Int(min(seconds, 1e9).rounded(.up)) + 10
        return [
            "prlimit", "--as=\(limits.memory)", "--cpu=\(processorTime):\(processorTime + 5)",
            "--fsize=\(limits.fileSize)", "--nofile=\(limits.openFiles)", "--core=0",
            "nice", "-n", "19",
        ] + withoutNetwork
            // The last one: what is set here may be lost when credentials change.
            + ["setpriv", "--pdeathsig", "KILL", "--no-new-privs"] + tool
    }
}
