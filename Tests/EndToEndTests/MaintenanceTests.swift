import Foundation
import Glibc
import Testing
import TestSupport

extension EndToEnd {
    /// `gc` and `check` while the responder serves, and the settings of what is kept.
    @Suite struct Maintenance {
        private func newUpload() -> PageUpload {
            var upload = PageUpload(content: SampleFile(size: 4 * 65_536 - 9).bytes)
            upload.chunkSize = 65_536
            upload.owner = EndToEnd.newOwner()
            return upload
        }

        @Test func gcRemovesWhatIsOverAndNothingElse() throws {
            let site = try NginxSite(.handOff)
            let (finished, abandoned, live) = (newUpload(), newUpload(), newUpload())
            let path = try #require(try finished.send(to: site).completing?.path)
            #expect(try abandoned.send(to: site, order: [0, 1]).allSatisfy { $0.reply.code == 2 })
            #expect(try live.send(to: site, order: [0, 1]).allSatisfy { $0.reply.code == 2 })
            try site.catalogueFile.run(
                (
                    "UPDATE upload SET update_time = update_time - 25 * 3600 WHERE owner IN (?, ?)",
                    [abandoned.owner ?? "", finished.owner ?? ""]
                ))
            #expect(try site.run(["gc", "--dry-run"]).output.contains("expired uploads: 1\n"))
            #expect(site.incomingFiles().count == 2)
            let result = try site.run(["gc"])
            #expect(result.end == .exit(0) && result.output.contains("their files: 1 (128K)"), "\(result)")
            #expect(site.incomingFiles().count == 1)
            #expect(try site.run(["gc"]).output == "nothing to remove\n")

            let isIdentical = try site.storedBytes(path) == finished.content
            #expect(isIdentical)
            #expect(try site.send(finished.determineRequest()).code == 1)
            #expect(try live.send(to: site, order: [2, 3]).completing?.code == 1)
            // It starts afresh.
            #expect(try abandoned.send(to: site, order: [2]).last?.reply.code == -3)
            #expect(try site.send(abandoned.chunksRequest()).code == 2)
            #expect(try abandoned.send(to: site, order: [2]).last?.reply.code == 2)
            #expect(try site.send(abandoned.chunksRequest()).receivedChunks == [2])
        }

        @Test func checkSaysWhatIsWrongAndExitsWithOne() throws {
            let site = try NginxSite(.handOff)
            let upload = newUpload()
            let path = try #require(try upload.send(to: site).completing?.path)
            let clean = try site.run(["check", "--deep"])
            #expect(clean.end == .exit(0) && clean.output.contains("1 videos (262135 bytes)"), "\(clean)")
            let file = try FileHandle(forUpdating: site.dataDirectory.appendingPathComponent(path))
            try file.seek(toOffset: 100_000)
            try file.write(contentsOf: [1, 2, 3])
            try file.close()
            #expect(try site.run(["check"]).end == .exit(0))
            let damaged = try site.run(["check", "--deep", "--repair"])
            #expect(damaged.end == .exit(1) && damaged.output.hasPrefix("md5: video 1, \(path): "), "\(damaged)")
        }

        @Test(arguments: ["gc", "check"])
        func aDirectoryWithoutACatalogueIsNamed(command: String) throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let result = try ChildProcess.run(NginxSite.binary, [command, "--data-directory", directory.path])
            #expect(result.end == .exit(64) && result.errors.contains("\(directory.path): is the disk mounted?"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [])
        }

        @Test(.enabled(if: geteuid() == 0))
        func whatRootMakesWhileItLooksAfterTheSiteIsTheServices() throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            try #require(chown(directory.path, 33, 33) == 0)
            for command in [["init"], ["check"], ["gc"]] {
                let result = try ChildProcess.run(NginxSite.binary, command + ["--data-directory", directory.path])
                #expect(result.end == .exit(0), "\(result)")
            }
            let made = try FileManager.default.subpathsOfDirectory(atPath: directory.path)
            #expect(Set(made).isSuperset(of: ["body", "incoming", "video-intake.db"]))
            for path in made {
                var status = stat()
                #expect(stat("\(directory.path)/\(path)", &status) == 0 && status.st_uid == 33, "\(path)")
            }
        }

        @Test(arguments: InProcessSite.BodyMode.allCases)
        func uploadsCompleteWithPowerDurability(mode: InProcessSite.BodyMode) throws {
            let site = try NginxSite(mode, flags: ["--durability", "power"])
            let results = try onThreads(4) { _ -> Bool in
                let upload = newUpload()
                guard let path = try upload.send(to: site).completing?.path else { return false }
                return try site.storedBytes(path) == upload.content
            }
            #expect(results == [true, true, true, true])
            #expect(site.leftovers() == [])
        }
    }
}
