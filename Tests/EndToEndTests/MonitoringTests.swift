import Foundation
import Glibc
import Testing
import TestSupport

extension NginxSite {
    /// What /metrics says.
    func metrics() throws -> String {
        String(decoding: try send(SentRequest(method: "GET", "/metrics")).body, as: UTF8.self)
    }

    func ready() throws -> ReceivedReply { try send(SentRequest(method: "GET", "/healthz?ready")) }
}

extension EndToEnd {
    /// What monitors and operators see.
    @Suite struct Monitoring {
        private static func newUpload(_ size: Int = 299_999) -> PageUpload {
            var upload = PageUpload(content: SampleFile(size: size).bytes)
            upload.chunkSize = 100_000
            upload.owner = EndToEnd.newOwner()
            return upload
        }

        /// Whether Debian's `prometheus` is installed, with which metrics can be checked.
        private static let hasPromtool: Bool = {
            let hasIt = (try? ChildProcess.run("promtool", ["--version"]).end) == .exit(0)
            if !hasIt { print("skipped: promtool is not there (Debian: apt-get install prometheus)") }
            return hasIt
        }()

        @Test(.enabled(if: hasPromtool, "promtool is not there (Debian: apt-get install prometheus)"))
        func prometheusUnderstandsTheMetrics() throws {
            let site = try EndToEnd.site(.handOff)
            let upload = Self.newUpload()
            _ = try upload.send(to: site)
            _ = try site.send(SentRequest("/service/upload/nothing"))
            let text = try site.metrics()
            #expect(text.contains("video_intake_requests_total"))
            let file = site.dataDirectory.appendingPathComponent("log/metrics.txt")
            try Data(text.utf8).write(to: file)
            let result = try ChildProcess.run("bash", ["-c", "promtool check metrics <'\(file.path)'"])
            #expect(result.end == .exit(0))
            #expect(result.output + result.errors == "")
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func aFullDiskIsSeenByMonitorsAndOperators(mode: InProcessSite.BodyMode) throws {
            let site = try NginxSite(mode, flags: ["--reserve", "1024G"])
            defer { site.stop() }
            for _ in 0..<20 {
                let reply = try site.send(Self.newUpload().request(0))
                #expect(reply.code == -3 && reply.headers["x-intake-reason"] == "disk-full")
            }
            let ready = try site.ready()
            #expect(ready.status == 503 && ready.data?["reason"] as? String == "disk-full")
            #expect(ready.headers["x-intake-reason"] == "disk-full")
            #expect(eventually { site.responderLog.contains("reason=disk-full") })
            let warnings = site.responderLog.split(separator: "\n").filter { $0.contains("reason=disk-full") }
            #expect(warnings.count == 1 && warnings.first?.contains("refused=1") == true)
            let metrics = try site.metrics()
            #expect(metrics.contains(#"video_intake_free_bytes_above_reserve{file_system="data"} -"#))
            #expect(
                metrics.contains(
                    #"video_intake_requests_total{action="upload_file",code="-3",reason="disk-full"} 20"#))
        }

        /// Which files' syncs fail: the upload's, or the catalogue's.
        @Test(arguments: [ChangeKind.fsync, .fdatasync])
        func aFailedSyncIsCounted(kind: ChangeKind) throws {
            let faults = try FaultLibrary()
            let site = try NginxSite(.handOff, flags: ["--durability", "power"], faults: faults)
            defer { site.stop() }
            #expect(try site.metrics().contains("video_intake_sync_failures_total 0\n"))
            faults.arm(.fail(EIO), kind, due: 1)
            let reply = try site.send(Self.newUpload().request(0))
            #expect(faults.hits == 1)
            #expect(reply.status == 409 && reply.headers["x-intake-reason"] == "retry")
            faults.disarm()
            #expect(try site.metrics().contains("video_intake_sync_failures_total 1\n"))
            // The line follows the reply.
            #expect(
                eventually {
                    let log = site.responderLog
                    return log.contains("sync: Input/output error") || log.contains("disk I/O error")
                })
        }

        @Test(.enabled(if: geteuid() == 0, "only root can mount a file system"))
        func theReserveHoldsWhereBodiesAreToo() throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let body = directory.path + "/body"
            mkdir(body, 0o755)
            let mount = try ChildProcess.run("mount", ["-t", "tmpfs", "-o", "size=32m", "tmpfs", body])
            try #require(mount.end == .exit(0), "\(mount.errors)")
            defer { _ = try? ChildProcess.run("umount", ["--lazy", body]) }
            let site = try NginxSite(.handOff, flags: ["--reserve", "1G"], directory: directory)
            defer { site.stop() }

            let upload = Self.newUpload()
            #expect(try site.send(upload.request(0)).code == 2)
            #expect(try site.ready().status == 200)
            #expect(try site.metrics().contains(#"video_intake_free_bytes_above_reserve{file_system="body"} "#))
            // Bodies of requests under way, however many, are no reason to refuse an upload.
            let slow = SentRequest("/service/upload/upload_file", contentType: "text/plain", body: [])
            var underWay = try [5, 5, 5, 5, 5, 5, 3].map { mebibytes in
                let connection = try site.connect()
                try connection.send(slow.httpHead(contentLength: mebibytes << 20))
                try connection.send([UInt8](repeating: 1, count: (mebibytes << 20) - 1))
                return connection
            }
            var space = statvfs()
            #expect(eventually { statvfs(body, &space) == 0 && space.f_bavail < space.f_blocks / 20 })
            #expect(try site.send(Self.newUpload().request(0)).code == 2)
            #expect(try site.ready().status == 200)
            underWay = []
            #expect(eventually { site.bodyFiles().isEmpty && underWay.isEmpty })
            // 5 % of 32 MiB, which is less than 1 GiB, are kept.
            let ballast = body + "/ballast"
            try Data(count: 31 << 20).write(to: URL(fileURLWithPath: ballast))
            let refused = try site.send(Self.newUpload().request(0))
            #expect(refused.status == 200 && refused.headers["x-intake-reason"] == "disk-full")
            #expect(try site.ready().data?["reason"] as? String == "disk-full")
            #expect(try site.metrics().contains(#"video_intake_free_bytes_above_reserve{file_system="body"} -"#))
            // An upload that has its room goes on.
            #expect(try site.send(upload.request(1)).code == 2)
            try FileManager.default.removeItem(atPath: ballast)
            #expect(try site.ready().status == 200)
            #expect(try site.send(upload.request(2)).code == 1)
            #expect(try site.send(Self.newUpload().request(0)).code == 2)
        }
    }
}
