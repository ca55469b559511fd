import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// `video-intake status` on a site that serves, and on one that does not.
    @Suite struct Status {
        private func status(
            _ site: NginxSite, _ flags: String...
        ) throws -> (end: ChildProcess.End?, output: String, errors: String) {
            try site.run(["status", "--socket", site.socketPath, "--reserve", "0"] + flags)
        }

        private func json(_ text: String) throws -> [String: Any] {
            try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        }

        @Test func itSaysWhatTheResponderAndTheCatalogueKnow() throws {
            let site = try NginxSite(.handOff)
            var upload = PageUpload(content: SampleFile(size: 300_000).bytes)
            upload.chunkSize = 100_000
            // One after the other: of chunks that come at once, all may be answered by the completion.
            #expect(try upload.send(to: site, connections: 1).completing?.code == 1)
            var half = PageUpload(content: SampleFile(size: 300_000).bytes)
            half.chunkSize = 100_000
            #expect(try half.send(to: site, order: [0]).last?.reply.code == 2)
            var wrong = PageUpload(content: Array("no video, but long enough to see".utf8))
            wrong.overrides = ["md5": "no"]
            _ = try site.send(wrong.wholeRequest())

            let well = try status(site)
            #expect(well.end == .exit(0) && well.errors == "", "\(well)")
            #expect(well.output.contains("answers, version 0.3.0, for "), "\(well.output)")
            #expect(well.output.contains("3 code 2, 1 code 1, 1 code -"), "\(well.output)")
            #expect(well.output.contains("1 unfinished, 97.66K received, 195.31K to come"), "\(well.output)")
            let object = try json(try status(site, "--json").output)
            #expect(object["open_uploads"] as? Int == 1 && object["upload_received_bytes"] as? Int == 100_000)
            #expect(object["attention"] as? [String] == [])
            #expect((object["responder"] as? [String: Any])?["version"] as? String == "0.3.0")

            // A check is told of. The room is what the responder has by its settings, not by those of this command.
            #expect(try site.run(["check"]).end == .exit(0))
            let checked = try status(site, "--reserve", "1024G", "--uploads-limit", "7")
            #expect(checked.end == .exit(0) && checked.output.contains(", 0 findings left"), "\(checked)")
            #expect(checked.output.contains("and 4000 in all"), "\(checked)")

            // A disk at its reserve says what to do.
            site.responder.stop()
            let full = try status(site, "--reserve", "1024G")
            let last = full.output.split(separator: "\n").last ?? ""
            #expect(last.hasPrefix("the disk is at its reserve: new uploads are refused; delete videos"), "\(last)")
            let silent = try status(site)
            #expect(silent.end == .exit(1) && silent.output.contains("1 unfinished"), "\(silent)")
            #expect(silent.output.contains("does not answer: \(site.socketPath): "), "\(silent)")
            #expect(try json(try status(site, "--json").output)["responder"] is NSNull)
        }

        @Test func aDirectoryWithoutACatalogueIsLeftAlone() throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let result = try ChildProcess.run(
                NginxSite.binary, ["status", "--data-directory", directory.path, "--socket", directory.path + "/s"])
            #expect(result.end == .exit(1) && result.output.contains("is the disk mounted?"), "\(result)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [])
        }
    }
}
