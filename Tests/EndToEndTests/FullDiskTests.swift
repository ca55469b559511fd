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
            let filling = directory.appendingPathComponent("filling")
            try Data(count: 28 * Self.mebibyte).write(to: filling)
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
            try FileManager.default.removeItem(at: filling)
            let second = try onThreads(refused.count) { try Self.send(uploads[refused[$0]], to: site) }
            #expect(second.allSatisfy { $0 != nil })
            try check(second, refused.map { uploads[$0] }, site)
            #expect(try site.run(["check", "--deep"]).end == .exit(0))
            print("\(mode): \(refused.count) of \(uploads.count) uploads refused, and completed when there was room")
        }

        @Test(
            .enabled(if: geteuid() == 0, "only root can mount a file system"), arguments: [false, true])
        func anOperatorMakesRoomWhereThereIsNone(isServing: Bool) throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            try Self.command("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", directory.path])
            defer { try? Self.command("umount", ["--lazy", directory.path]) }
            let site = try NginxSite(.handOff, flags: ["--reserve", "4M"], directory: directory)
            defer { site.stop() }
            let (kept, deleted) = (PageUpload(content: SampleFile(size: 90_000).bytes), Self.page())
            let path = try #require(try site.send(kept.request()).path)
            var id: Int?
            for chunk in 0..<deleted.chunks { id = try site.send(deleted.request(chunk)).videoID }
            let open = Self.page()
            #expect(try site.send(open.request(0)).code == 2)
            // A file that belongs to no upload, for `check --repair`.
            try Data([1]).write(to: directory.appendingPathComponent("incoming/999.part"))
            if !isServing { site.stop() }

            // To the last byte.
            let filling = directory.appendingPathComponent("filling")
            _ = FileManager.default.createFile(atPath: filling.path, contents: nil)
            let file = try FileHandle(forWritingTo: filling)
            for size in [1 << 16, 4096, 1] {
                while (try? file.write(contentsOf: Data(count: size))) != nil {}
            }
            try file.close()
            func free() throws -> Int {
                var status = statvfs()
                try #require(statvfs(directory.path, &status) == 0)
                return Int(status.f_bavail) * Int(status.f_frsize)
            }
            #expect(try free() == 0)
            if isServing {
                // Nothing new, and what is there already can be asked for.
                #expect(try site.send(Self.page().request(0)).code != 2)
                let copy = try site.send(kept.determineRequest([("file_name", "copy"), ("guid", "9")]))
                #expect(copy.code == -3 && copy.headers["x-intake-reason"] == "disk-full")
                #expect(try site.send(kept.determineRequest()).code == 1)
                #expect(try site.run(["class", "add", "new", "--reserve", "4M"]).end == .exit(1))
            }
            let gc = try site.run(["gc", "--reserve", "4M"])
            #expect(gc.end == .exit(0), "\(gc.errors)")
            let check = try site.run(["check", "--repair", "--reserve", "4M"])
            #expect(check.end == .exit(0), "\(check.output)\(check.errors)")
            let delete = try site.run(["video", "delete", "--yes", "\(try #require(id))", "--reserve", "4M"])
            #expect(delete.end == .exit(0), "\(delete.errors)")
            let room = try free()
            // Some of it goes into the catalogue's log.
            #expect(room >= deleted.content.count / 2, "\(room) of \(deleted.content.count)")
            #expect(try site.recordCount(deleted) == 0)
            let isIdentical = try site.storedBytes(path) == kept.content
            #expect(isIdentical)

            // With room again all goes on, and there is a ballast for the next time.
            try FileManager.default.removeItem(at: filling)
            #expect(try site.run(["gc", "--reserve", "4M"]).end == .exit(0))
            let ballast = try FileManager.default.attributesOfItem(atPath: directory.path + "/ballast")[.size] as? Int
            #expect(ballast == 2 << 20)
            guard isServing else { return }
            var last: ReceivedReply?
            for chunk in 1..<open.chunks { last = try site.send(open.request(chunk)) }
            #expect(last?.code == 1, "\(String(describing: last))")
        }

        private static func page() -> PageUpload {
            var page = PageUpload(content: SampleFile(size: 3 * mebibyte).bytes)
            page.chunkSize = mebibyte
            return page
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
