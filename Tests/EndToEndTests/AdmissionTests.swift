import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
    /// Clients of several addresses, on a small disk.
    @Suite struct Admission {
        static let mebibyte = 1 << 20

        @Test(.enabled(if: geteuid() == 0, "only root can mount a file system"))
        func anAttackerOfOneAddressCostsTenPagesNothing() throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            try FullDisk.command("mount", ["-t", "tmpfs", "-o", "size=256m", "tmpfs", directory.path])
            defer { try? FullDisk.command("umount", ["--lazy", directory.path]) }
            let site = try NginxSite(.handOff, flags: ["--reserve", "16M"], directory: directory)
            defer { site.stop() }

            // First and second chunks of files of 12 MiB that never end, each another one, at full speed.
            let isOver = Locked(false)
            let sent = Locked([String: Int]())
            let attackers = (0..<4).map { _ in
                Thread {
                    while !isOver.withLock(\.self) {
                        var upload = PageUpload(content: SampleFile(size: 12 * Self.mebibyte).bytes)
                        upload.chunkSize = Self.mebibyte
                        upload.address = "127.0.0.66"
                        for chunk in 0..<2 {
                            guard let reply = try? site.send(upload.request(chunk)) else { continue }
                            sent.withLock { $0[reply.headers["x-intake-reason"] ?? "stored", default: 0] += 1 }
                        }
                    }
                }
            }
            attackers.forEach { $0.start() }
            // He has all there is by now.
            #expect(
                eventually(within: 60) { sent.withLock { $0["quota", default: 0] + $0["disk-full", default: 0] } > 5 })

            let pages = (0..<10).map { index -> PageUpload in
                var upload = PageUpload(content: SampleFile(size: 8 * Self.mebibyte - 9).bytes)
                upload.chunkSize = Self.mebibyte
                upload.address = "127.0.0.\(10 + index)"
                return upload
            }
            let replies = try onThreads(pages.count) { index in
                try (0..<pages[index].chunks).map { try site.send(pages[index].request($0)) }
            }
            isOver.withLock { $0 = true }
            for (page, replies) in zip(pages, replies) {
                #expect(replies.dropLast().allSatisfy { $0.code == 2 }, "\(replies)")
                let isIdentical = try site.storedBytes(replies.last?.path ?? "") == page.content
                #expect(isIdentical)
            }
            #expect(eventually(within: 60) { attackers.allSatisfy(\.isFinished) })
            let held = site.incomingFiles().count
            #expect(held * 12 <= 240 - 80, "\(held) uploads are promised more than is left")
            #expect(try site.run(["check", "--deep"]).end == .exit(0))
            print("the attacker's replies: \(sent.withLock(\.self)); he holds \(held) uploads")
        }

        /// Four clients behind 127.0.0.7 begin an upload each.
        private func sendThroughAProxy(to site: NginxSite) throws {
            for number in 0..<4 {
                var upload = PageUpload(content: SampleFile(size: 100_000).bytes)
                upload.chunkSize = 60_000
                upload.address = "127.0.0.7"
                var request = upload.request(0)
                request.headers = [("X-Forwarded-For", "198.51.100.\(number)")]
                #expect(try site.send(request).code == 2)
            }
        }

        @Test func aProxyThatNginxDoesNotKnowOfIsTold() throws {
            let site = try NginxSite(.handOff)
            defer { site.stop() }
            try sendThroughAProxy(to: site)
            let remedy = "set_real_ip_from 127.0.0.7; real_ip_header X-Forwarded-For;"
            #expect(site.responderLog.contains(remedy))
            let status = try site.run(["status", "--socket", site.socketPath])
            #expect(status.end == .exit(1) && status.output.contains(remedy), "\(status)")
            #expect(try site.metrics().contains("video_intake_proxies_without_real_ip 1\n"))
        }

        @Test func withRealIPClientsBehindAProxyAreToldApart() throws {
            let site = try NginxSite(.handOff) { files in
                try files.addToSite("set_real_ip_from 127.0.0.7; real_ip_header X-Forwarded-For;")
            }
            defer { site.stop() }
            try sendThroughAProxy(to: site)
            #expect(try site.metrics().contains("video_intake_proxies_without_real_ip 0\n"))
            #expect(try site.metrics().contains("video_intake_upload_clients 4\n"))
        }
    }
}
