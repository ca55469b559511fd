import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// The drill: everything is lost, and comes back from a backup.
    @Suite struct BackupDrill {
        private static let secret = "0123456789abcdef0123456789abcdef"

        private func newUpload() -> PageUpload {
            var upload = PageUpload(content: SampleFile(size: 3 * 1_048_576 + 17).bytes)
            upload.chunkSize = 1_048_576
            return upload
        }

        @Test func whatComesAfterARestoreIsNeverTakenForWhatWasBefore() throws {
            let receiver = try Receiver()
            let settings = try makeTemporaryDirectory().appendingPathComponent("settings")
            defer { try? FileManager.default.removeItem(at: settings.deletingLastPathComponent()) }
            try Data(
                """
                VIDEO_INTAKE_WEBHOOK_URL=\(receiver.url)
                VIDEO_INTAKE_WEBHOOK_SECRET=\(Self.secret)
                VIDEO_INTAKE_WEBHOOK_PRIVATE=yes

                """.utf8
            ).write(to: settings)
            let flags = ["--config", settings.path, "--transcode", "yes"]
            let site = try NginxSite(.handOff, flags: flags)
            let backup = settings.deletingLastPathComponent().path + "/backup"
            func told() -> Int { receiver.requests.count }
            /// Runs a worker until the receiver knows so many events.
            func tell(_ count: Int) throws {
                let worker = try site.startWorker(["--config", settings.path])
                #expect(eventually(within: 240) { told() >= count }, "\(receiver.names)\n\(site.workerLog)")
                #expect(worker.stop() == .exit(0))
            }

            // What is in the backup, and what comes after it.
            let (kept, unfinished, lost, new) = (newUpload(), newUpload(), newUpload(), newUpload())
            let path = try #require(try kept.send(to: site).completing?.path)
            #expect(try unfinished.send(to: site, order: [0, 2]).allSatisfy { $0.reply.code == 2 })
            try tell(2)
            let made = try site.run(["backup", backup])
            #expect(made.end == .exit(0) && made.errors == "", "\(made)")
            let lostID = try #require(try lost.send(to: site).completing?.videoID)
            try tell(4)

            // Everything is lost.
            site.responder.stop()
            for name in try FileManager.default.contentsOfDirectory(atPath: site.dataDirectory.path)
            where ["upload", "incoming", "transcoding", "set-aside"].contains(name) || name.hasPrefix("video-intake.db")
            {
                try FileManager.default.removeItem(at: site.dataDirectory.appendingPathComponent(name))
            }
            let restored = try site.run(["restore", backup])
            #expect(restored.end == .exit(0) && restored.errors == "", "\(restored)")
            #expect(restored.output.contains("1 unfinished uploads were dropped"), "\(restored)")
            let check = try site.run(["check", "--deep"])
            #expect(
                check.end == .exit(0) && check.output.contains("1 videos (3145745 bytes), 0 unfinished"), "\(check)")
            try site.startResponder()
            try site.waitUntilReady()

            #expect(try site.storedBytes(path) == kept.content)
            #expect(try site.send(kept.determineRequest()).code == 1)
            #expect(try site.send(lost.determineRequest()).code == 2)
            #expect(try unfinished.send(to: site, order: [0]).last?.reply.code == 2)
            let newID = try #require(try new.send(to: site).completing?.videoID)
            #expect(newID > 100_000 && newID != lostID)
            try tell(6)
            // A receiver that drops what it has had keeps both, whether it looks at the epoch too or not.
            let ids = receiver.requests.compactMap { $0.member("id", as: Int64.self) }
            let keys = receiver.requests.compactMap { request in
                request.member("epoch", as: String.self).map { "\($0) \(request.member("id", as: Int64.self) ?? 0)" }
            }
            #expect(Set(ids).count == 6 && Set(keys).count == 6 && keys.count == 6)
            let after = receiver.requests.filter { $0.member("video_id") == newID }
            #expect(after.count == 2)
            for request in after {
                #expect(try #require(request.member("id", as: Int64.self)) > 1_700_000_000_000)
            }
            #expect(Set(receiver.requests.compactMap { $0.member("epoch", as: String.self) }).count == 2)
        }

        @Test func aBackupIsMadeWhileUploadsGoOn() throws {
            let site = try NginxSite(.handOff)
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let isOver = Locked(false)
            let uploads = try onThreads(3) { thread -> Int in
                if thread == 0 {
                    defer { isOver.withLock { $0 = true } }
                    for backup in 0..<5 {
                        let previous = backup > 0 ? ["--previous", "\(directory.path)/\(backup - 1)"] : []
                        let made = try site.run(["backup", "\(directory.path)/\(backup)"] + previous)
                        #expect(made.end == .exit(0) && made.errors == "", "\(made)")
                    }
                    return 0
                }
                var count = 0
                while !isOver.withLock(\.self) {
                    let upload = newUpload()
                    guard let id = try upload.send(to: site).completing?.videoID else { return -1000 }
                    count += 1
                    // Every other one goes again.
                    if count % 2 == 0 { _ = try site.run(["video", "delete", "\(id)", "--yes"]) }
                }
                return count
            }
            #expect(uploads.reduce(0, +) > 0, "\(uploads)")
            for backup in 0..<5 {
                let data = try makeTemporaryDirectory()
                defer { try? FileManager.default.removeItem(at: data) }
                let arguments = ["--data-directory", data.path]
                let restored = try ChildProcess.run(
                    NginxSite.binary, ["restore", "\(directory.path)/\(backup)"] + arguments)
                #expect(restored.end == .exit(0), "\(restored)")
                let check = try ChildProcess.run(NginxSite.binary, ["check", "--deep"] + arguments)
                #expect(check.end == .exit(0), "\(check)")
            }
        }

        @Test func aVideoWhoseNumberWasTakenGetsAnother() throws {
            let site = try NginxSite(.handOff)
            let upload = newUpload()
            #expect(try upload.send(to: site, order: [0]).last?.reply.videoID == 1)
            let taken = try ChildProcess.run(
                "sqlite3",
                [
                    site.cataloguePath,
                    """
                    INSERT INTO video_info
                        (video_id, owner, video_name, path, size, duration, md5, class_id, create_time, update_time) VALUES
                        (1, '', '旧视频', 'upload/mp4/2019/05/original/15570000000001.mp4', 52428800, 61.5,
                        '9e107d9d372bb6826bd81d3542a419d6', NULL, 1557000000, 1557000000)
                    """,
                ])
            #expect(taken.end == .exit(0), "\(taken)")
            let found = try site.run(["check"])
            #expect(
                found.output.contains("number: upload 1 is to become video 1, a number that a video has"), "\(found)")
            let last = try #require(try upload.send(to: site, order: [1, 2, 3]).completing)
            #expect(last.code == 1 && last.videoID == 2, "\(last)")
        }
    }
}
