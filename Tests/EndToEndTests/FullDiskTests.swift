import Foundation
import Glibc
import Testing
import TestSupport

extension EndToEnd {
    /// A data directory without room.
    @Suite struct FullDisk {
        static let mebibyte = 1 << 20

        @Test(
            .enabled(if: geteuid() == 0, "only root can mount a file system"),
            arguments: InProcessSite.BodyMode.allCases)
        func someAreRefusedTheRestCompletesAndNoneIsDamaged(mode: InProcessSite.BodyMode) throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            try Self.command("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", directory.path])
            defer { try? Self.command("umount", ["--lazy", directory.path]) }
            let ballast = directory.appendingPathComponent("ballast")
            try Data(count: 28 * Self.mebibyte).write(to: ballast)
            let site = try NginxSite(mode, flags: ["--reserve", "8M"], directory: directory)
            defer { site.stop() }

            let uploads = (0..<8).map { _ -> PageUpload in
                var upload = PageUpload(content: SampleFile(size: 4 * Self.mebibyte - 9).bytes)
                upload.chunkSize = Self.mebibyte / 2
                upload.owner = EndToEnd.newOwner()
                return upload
            }
            let first = try onThreads(uploads.count) { try Self.send(uploads[$0], to: site) }
            let refused = first.indices.filter { first[$0] == nil }
            #expect(!refused.isEmpty && refused.count < uploads.count)
            try check(first, uploads, site)

            // Those that were refused left nothing behind.
            #expect(site.leftovers() == [])
            try FileManager.default.removeItem(at: ballast)
            let second = try onThreads(refused.count) { try Self.send(uploads[refused[$0]], to: site) }
            #expect(second.allSatisfy { $0 != nil })
            try check(second, refused.map { uploads[$0] }, site)
            #expect(try site.run(["check", "--deep"]).end == .exit(0))
            print("\(mode): \(refused.count) of \(uploads.count) uploads refused, and completed when there was room")
        }

        private func check(_ paths: [String?], _ uploads: [PageUpload], _ site: NginxSite) throws {
            for (path, upload) in zip(paths, uploads) {
                if let path {
                    let isIdentical = try site.storedBytes(path) == upload.content
                    #expect(isIdentical)
                }
                #expect(try site.recordCount(upload) == (path == nil ? 0 : 1))
            }
        }

        /// Sends an upload as a page does. Returns its path, `nil` if it is refused because the disk is full.
        private static func send(_ upload: PageUpload, to site: NginxSite) throws -> String? {
            for chunk in 0..<upload.chunks {
                for _ in 0..<400 {
                    let reply = try site.send(upload.request(chunk))
                    switch (reply.status, reply.code) {
                    case (200, 1): return reply.path
                    case (200, -3):
                        #expect(reply.message?.contains("(disk full)") == true)
                        return nil
                    // No room for the body at the moment.
                    case (409, -2):
                        usleep(20_000)
                        continue
                    default: #expect(reply.status == 200 && reply.code == 2)
                    }
                    break
                }
            }
            throw HTTPConnection.Fault.timeLimit
        }

        static func command(_ name: String, _ arguments: [String]) throws {
            let result = try ChildProcess.run(name, arguments)
            try #require(result.end == .exit(0), "\(name): \(result.errors)")
        }
    }
}
