import Foundation
import Glibc
import Testing
import TestSupport

extension EndToEnd {
    /// A tool of a worker that somebody has taken over: Tests/Faults/intruder.c in ffmpeg's place.
    @Suite struct Intruders {
        @Test(
            .enabled(if: geteuid() == 0, "only root can become others"), arguments: [nil, "65534"] as [String?])
        func aToolThatIsTakenOverReachesNothing(user: String?) throws {
            let site = try TranscodingSite()
            let data = site.site.dataDirectory.path
            _ = try site.upload(FFmpegVideo(.h264).upload)
            let other = try #require(site.site.publishedFiles().first)
            _ = try site.upload(FFmpegVideo(.h264).upload)
            site.site.killResponder()
            let scene = try IntruderScene()
            let bin = try scene.replaceFFmpeg(
                catalogue: data + "/video-intake.db", video: "\(data)/upload/\(other)")
            var command = [NginxSite.binary, "worker", "--data-directory", data]
            if let user {
                for path in [data, scene.directory.path] {
                    let changed = try ChildProcess.run("chown", ["-R", "\(user):\(user)", path])
                    try #require(changed.end == .exit(0))
                }
                command = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] + command
            }
            let log = scene.directory.path + "/log"
            let worker = try ChildProcess(
                "/usr/bin/env", command,
                environment: ChildProcess.plainEnvironment.merging([
                    "PATH": "\(bin):/usr/local/bin:/usr/bin:/bin", "VIDEO_INTAKE_WEBHOOK_SECRET": "",
                ]) { $1 }, directory: scene.directory.path, output: log, errors: log)
            defer { worker.stop() }
            var report = ""
            let isDone = eventually(within: 60) {
                report =
                    (try? site.site.catalogueFile.all(
                        "SELECT error FROM job WHERE path <> ? AND error IS NOT NULL", ["upload/\(other)"],
                        as: String.self
                    ).first) ?? ""
                return !report.isEmpty
            }
            try #require(isDone, "\(textOfFile(log))")
            let lines = report.split(separator: "\n").map(String.init)
            let attempts = lines.filter { $0.hasPrefix("worked ") || $0.hasPrefix("failed ") }
            #expect(attempts.count > 60, "\(report)")
            let worked = attempts.filter { $0.hasPrefix("worked ") && !$0.hasPrefix("worked allowed: ") }
            #expect(worked == [])
            #expect(attempts.filter { $0.hasPrefix("worked allowed: ") }.count == 3, "\(report)")
            #expect(textOfFile(log).contains("ffmpeg is kept in"), "\(textOfFile(log))")
        }
    }
}
