import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// What a receiver is told of, by a worker that is a process of its own.
    @Suite struct Webhooks {
        private static let secret = "0123456789abcdef0123456789abcdef"

        /// A configuration file for the responder and the worker.
        private static func configuration(_ receiver: Receiver, isPrivate: Bool) throws -> URL {
            let file = try makeTemporaryDirectory().appendingPathComponent("settings")
            let lines = [
                "VIDEO_INTAKE_WEBHOOK_URL=\(receiver.url)", "VIDEO_INTAKE_WEBHOOK_SECRET=\(secret)",
                "VIDEO_INTAKE_WEBHOOK_PRIVATE=\(isPrivate ? "yes" : "no")", "",
            ]
            try Data(lines.joined(separator: "\n").utf8).write(to: file)
            return file
        }

        @Test func everythingIsToldInOrderOnceTheReceiverIsUp() throws {
            let receiver = try Receiver(isUp: false)
            let settings = try Self.configuration(receiver, isPrivate: true)
            defer { try? FileManager.default.removeItem(at: settings.deletingLastPathComponent()) }
            let site = try TranscodingSite(["--config", settings.path])
            let worker = try site.site.startWorker(["--config", settings.path])
            let good = try site.upload(FFmpegVideo(.h264).upload)
            let bad = try site.upload(PageUpload(content: videoBytes(10_000)))
            #expect(eventually { site.site.workerLog.contains("event not delivered") })
            #expect(receiver.requests.isEmpty)
            receiver.start()
            #expect(site.wait(for: good, state: "ready") != nil && site.wait(for: bad, state: "failed") != nil)
            #expect(eventually(within: 240) { (try? site.count("event WHERE delivered_time IS NULL")) == 0 })
            #expect(worker.stop() == .exit(0))

            let names = receiver.names
            #expect(names.filter { $0.hasSuffix(" \(good)") } == ["upload.completed \(good)", "video.ready \(good)"])
            #expect(names.filter { $0.hasSuffix(" \(bad)") } == ["upload.completed \(bad)", "video.failed \(bad)"])
            #expect(Set(receiver.requests.map { $0["X-Video-Intake-Id"] }).count == 4)
            for request in receiver.requests { try Self.expectSigned(request) }
            let ready = try #require(receiver.requests.first { $0.name.hasPrefix("video.ready") })
            #expect(ready.member("hls_path", as: String.self)?.hasSuffix("/hls/master.m3u8") == true)
            let failed = try #require(receiver.requests.first { $0.name.hasPrefix("video.failed") })
            #expect(failed.member("error") == "unsupported")
            #expect(!(site.site.workerLog + site.site.responderLog).contains(Self.secret))
        }

        @Test func aReceiverOnThisMachineIsRefusedUnlessAllowed() throws {
            let receiver = try Receiver()
            let settings = try Self.configuration(receiver, isPrivate: false)
            defer { try? FileManager.default.removeItem(at: settings.deletingLastPathComponent()) }
            let site = try TranscodingSite(["--config", settings.path])
            let worker = try site.site.startWorker(["--config", settings.path])
            let video = try site.upload(FFmpegVideo(.h264).upload)
            #expect(site.wait(for: video, state: "ready") != nil)
            #expect(
                eventually { site.site.workerLog.contains("VIDEO_INTAKE_WEBHOOK_PRIVATE") }, "\(site.site.workerLog)")
            #expect(worker.stop() == .exit(0))
            #expect(receiver.connections == 0)
        }

        /// Verifies a signature with openssl.
        private static func expectSigned(_ request: Receiver.Request) throws {
            let signature = try #require(request["X-Video-Intake-Signature"])
            let match = try #require(signature.wholeMatch(of: /t=(\d+),v1=([0-9a-f]{64})/))
            let file = try makeTemporaryDirectory().appendingPathComponent("signed")
            defer { try? FileManager.default.removeItem(at: file.deletingLastPathComponent()) }
            try Data("\(match.1).\(request.body)".utf8).write(to: file)
            let digest = try ChildProcess.run("openssl", ["dgst", "-sha256", "-hmac", secret, file.path])
            #expect(digest.output.hasSuffix(" \(match.2)\n"), "\(digest)")
        }
    }
}
