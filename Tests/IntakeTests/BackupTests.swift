import Maintenance
import FileBackup
import FileStore
import Model
import ChunkStore
import Foundation
import Glibc
import Intake
import System
import Testing
import TestSupport
import class TestTools.Locked

/// A site with three videos, one of them transcoded, an unfinished upload and an old picture.
private final class Shop {
    let site: InProcessSite
    let unfinished: PageUpload
    let directory: URL
    var videos: [Video] = []

    var backup: String { directory.path + "/backup" }

    init() throws {
        site = try InProcessSite {
            $0.queuesTranscoding = true
            $0.webhookURL = "http://127.0.0.1:9/"
        }
        directory = try makeTemporaryDirectory()
        unfinished = PageUpload(content: videoBytes(3_000_000))
        for _ in 0..<3 {
            let id = try #require(try site.send(PageUpload(content: videoBytes(1_500_000)).wholeRequest()).videoID)
            videos.append(try #require(try site.catalogue.video(id: Int64(id))))
        }
        _ = try site.send(unfinished.request(0))
        let media = StorageLayout.results(ofOriginal: videos[0].path)
        try write("poster", to: media + "/poster.jpg")
        try write("picture", to: "upload/2019/a b.jpg")
        let job = try #require(try site.catalogue.claimJob(worker: "w", lease: 60, now: site.clock.now))
        var facts = MediaFacts()
        facts.posterPath = media + "/poster.jpg"
        _ = try site.catalogue.finishJob(job, media: facts, duration: nil, now: site.clock.now)
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    func write(_ text: String, to path: String) throws {
        let url = site.dataDirectory.appendingPathComponent(path)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    @discardableResult
    func backUp(
        to directory: String? = nil, previous: String? = nil, _ contents: BackupList.Contents = .all,
        progress: @escaping (Int, Int) -> Void = { _, _ in }
    ) throws -> BackupReport {
        let store = try FileChunkStore(directory: site.dataDirectory.path, reserve: .bytes(0))
        return try Backup(
            site.catalogue, store, dataDirectory: site.dataDirectory.path, contents: contents, version: "0",
            now: site.clock.now, progress: progress
        ).run(to: directory ?? backup, previous: previous)
    }

    /// A new, empty data directory.
    func makeDirectory(_ name: String) throws -> String {
        let path = "\(directory.path)/\(name)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        return path
    }

    func restore(to data: String, above: Int64? = nil) throws -> RestoreReport {
        try Restore(from: backup, to: data).run(aboveVideo: above, now: site.clock.now)
    }

    /// Everything below a directory.
    func files(_ directory: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: directory).filter {
            var isDirectory: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: "\(directory)/\($0)", isDirectory: &isDirectory)
            return !isDirectory.boolValue
        }.sorted()
    }

    /// The files of a backup with these videos.
    func expected(_ videos: [Video]) -> [String] {
        (videos.map(\.path) + [
            "backup.txt", "upload/2019/a b.jpg", "video-intake.db",
            StorageLayout.results(ofOriginal: self.videos[0].path) + "/poster.jpg",
        ]).sorted()
    }
}

@Suite struct BackupTests {
    @Test(
        "a backup has the catalogue and every file but those of unfinished uploads, and is read back as its list says")
    func all() throws {
        let shop = try Shop()
        let report = try shop.backUp()
        #expect(report.findings == [] && report.leftOut == [] && report.files == 5)
        #expect(try shop.files(shop.backup) == shop.expected(shop.videos))
        let list = try BackupList(text: textOfFile(shop.backup + "/backup.txt"))
        #expect(list.contents == .all && list.files.count == 6)
        for video in shop.videos {
            #expect(list.files[video.path] == FileTransfer.Verified(size: 1_500_000, md5: video.md5))
        }
        // No file twice, where that is possible.
        var status = stat()
        #expect(stat("\(shop.backup)/\(shop.videos[0].path)", &status) == 0 && status.st_nlink == 2)
        #expect(try shop.files(shop.directory.path).allSatisfy { !$0.contains("unfinished") && !$0.hasSuffix(".new") })
    }

    @Test("of several backups to one directory at the same time one is made, and the others say so", arguments: 0..<4)
    func atOnce(_: Int) throws {
        nonisolated(unsafe) let shop = try Shop()
        let messages = Locked([String]())
        DispatchQueue.concurrentPerform(iterations: 3) { _ in
            do {
                _ = try shop.backUp()
                messages.withLock { $0.append("made") }
            } catch {
                messages.withLock { $0.append("\(error)") }
            }
        }
        let ends = messages.withLock(\.self)
        #expect(ends.contains("made"))
        #expect(ends.allSatisfy { $0 == "made" || $0.contains("is under way") || $0.contains("already") }, "\(ends)")
        #expect(try shop.files(shop.backup) == shop.expected(shop.videos))
    }

    @Test("a backup that was interrupted goes on without what was deleted since, with its directories")
    func interruptedAndDeleted() throws {
        let shop = try Shop()
        try shop.backUp()
        try FileManager.default.moveItem(atPath: shop.backup, toPath: shop.backup + ".unfinished")
        try FileManager.default.removeItem(atPath: shop.backup + ".unfinished/backup.txt")
        // The only one that is transcoded.
        _ = try #require(try shop.site.service.maintainer.deleteVideo(id: shop.videos[0].id))
        #expect(try shop.backUp().findings == [])
        let media = shop.backup + "/" + StorageLayout.results(ofOriginal: shop.videos[0].path)
        #expect(!FileManager.default.fileExists(atPath: media))
    }

    @Test("of what was made of a video a backup has what its record names, and a restored one misses nothing")
    func madeAgain() throws {
        let shop = try Shop()
        let old = StorageLayout.results(ofOriginal: shop.videos[0].path)
        #expect(try shop.site.catalogue.retryJob(id: 1, now: shop.site.clock.now))
        let job = try #require(try shop.site.catalogue.claimJob(worker: "w", lease: 60, now: shop.site.clock.now))
        let new = StorageLayout.results(of: job)
        for path in [new, old + "/1.99", old + "/77.1"] { try shop.write("new poster", to: path + "/poster.jpg") }
        var facts = MediaFacts()
        facts.directory = new
        facts.posterPath = new + "/poster.jpg"
        _ = try shop.site.catalogue.finishJob(
            job, media: facts, duration: nil, replacing: [old + "/poster.jpg"], now: shop.site.clock.now)
        #expect(try shop.backUp().findings == [])
        let made = try shop.files(shop.backup).filter { $0.contains("/transcoded/") }
        #expect(made == [new + "/poster.jpg"])
        let data = try shop.makeDirectory("data")
        _ = try shop.restore(to: data)
        let site = try InProcessSite(directory: URL(fileURLWithPath: data), bootID: "b")
        #expect(try site.catalogue.media(ofFile: shop.videos[0].path) == facts)
        site.clock.advance(by: 120)
        #expect(try Check(site.service.maintainer, isDeep: true, isRepairing: false).run().findings == [])
        // Claims of the time that is lost may have left directories.
        #expect(try site.catalogue.job(id: 1)?.claims ?? 0 > 100_000)

        // It goes between the copy of the catalogue and that of the files.
        try FileManager.default.removeItem(atPath: "\(shop.site.dataDirectory.path)/\(new)")
        let lost = try shop.backUp(to: shop.directory.path + "/lost")
        #expect(lost.findings == ["\(new): what was made of a video is not there"])
    }

    @Test("what comes and goes while a backup is made: it belongs together in the end")
    func changes() throws {
        let shop = try Shop()
        var isChanged = false
        let report = try shop.backUp { _, _ in
            if isChanged { return }
            isChanged = true
            for video in shop.videos[1...] { _ = try? shop.site.service.maintainer.deleteVideo(id: video.id) }
            _ = try? shop.site.send(shop.unfinished.request(1))
        }
        #expect(isChanged && report.findings == [])
        let restored = try shop.makeDirectory("restored")
        _ = try shop.restore(to: restored)
        let site = try InProcessSite(directory: URL(fileURLWithPath: restored), bootID: "b")
        site.clock.advance(by: 120)
        #expect(try Check(site.service.maintainer, isDeep: true, isRepairing: false).run().findings == [])
        #expect(try site.catalogue.videos(owner: nil, limit: 9).count == 2)
    }

    @Test(
        "a backup is made where nothing is, goes on where it was interrupted, and is not taken for one before it is whole"
    )
    func interrupted() throws {
        let shop = try Shop()
        // A run that was killed while it copied, and a video that was deleted since.
        let half = shop.backup + ".unfinished"
        let gone = "\(half)/\(shop.videos[0].path)-gone.mp4"
        try FileManager.default.createDirectory(
            atPath: URL(fileURLWithPath: gone).deletingLastPathComponent().path, withIntermediateDirectories: true)
        for path in [gone, half + "/unfinished.copy", "\(half)/\(shop.videos[1].path)"] {
            try Data("half".utf8).write(to: URL(fileURLWithPath: path))
        }
        let early = #expect(throws: BackupError.self) { try Restore(from: half, to: "/").run(aboveVideo: nil, now: 1) }
        #expect(early?.description.contains("interrupted") == true)
        try shop.backUp()
        #expect(try shop.files(shop.backup) == shop.expected(shop.videos))
        let again = #expect(throws: BackupError.self) { try shop.backUp() }
        #expect(again?.description.contains("is a backup already: name another directory") == true)
        let other = #expect(throws: BackupError.self) { try shop.backUp(to: shop.directory.path) }
        #expect(other?.description.contains("is there already") == true)
        let inside = shop.site.dataDirectory.path + "/backup"
        let lost = #expect(throws: BackupError.self) { try shop.backUp(to: inside) }
        #expect(lost?.description.contains("is in the data directory") == true)
        #expect(access(inside + ".unfinished", F_OK) != 0)
    }

    @Test("the next backup has what has not changed without a copy of it, also on another file system")
    func previous() throws {
        let shop = try Shop()
        var (here, there) = (stat(), stat())
        let other = "/dev/shm/video-intake-test-\(UUID().uuidString)"
        guard mkdir(other, 0o700) == 0, stat(other, &there) == 0, stat(shop.directory.path, &here) == 0,
            here.st_dev != there.st_dev
        else { return }
        defer { try? FileManager.default.removeItem(atPath: other) }
        try shop.backUp(to: other + "/1")
        _ = try shop.site.service.maintainer.deleteVideo(id: shop.videos[1].id)
        try shop.write("another poster", to: StorageLayout.results(ofOriginal: shop.videos[0].path) + "/poster.jpg")
        try shop.backUp(to: other + "/2", previous: other + "/1")
        #expect(try shop.files(other + "/2") == shop.expected([shop.videos[0], shop.videos[2]]))
        var status = stat()
        #expect(stat("\(other)/2/\(shop.videos[0].path)", &status) == 0 && status.st_nlink == 2)
        let poster = StorageLayout.results(ofOriginal: shop.videos[0].path) + "/poster.jpg"
        #expect(
            textOfFile("\(other)/1/\(poster)") == "poster" && textOfFile("\(other)/2/\(poster)") == "another poster")
        for backup in ["1", "2"] {
            let data = try shop.makeDirectory("data" + backup)
            let report = try Restore(from: "\(other)/\(backup)", to: data).run(aboveVideo: nil, now: 1)
            #expect(report.list.files.count == (backup == "1" ? 6 : 5))
            // Browsers ask by it whether a file has changed.
            var (original, restored) = (stat(), stat())
            stat("\(shop.site.dataDirectory.path)/\(shop.videos[0].path)", &original)
            stat("\(data)/\(shop.videos[0].path)", &restored)
            #expect(original.st_mtim.tv_sec == restored.st_mtim.tv_sec && original.st_mode == restored.st_mode)
        }
    }

    @Test("a file that is not as its record says is in the backup as it is, and told of; others' files are left out")
    func damaged() throws {
        let shop = try Shop()
        let path = shop.site.dataDirectory.path + "/" + shop.videos[0].path
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try file.seek(toOffset: 1000)
        try file.write(contentsOf: [1, 2, 3])
        try file.close()
        unlink(shop.site.dataDirectory.path + "/" + shop.videos[1].path)
        symlink("/etc", shop.site.dataDirectory.path + "/upload/link")
        let report = try shop.backUp()
        #expect(report.findings.count == 2 && report.leftOut == ["upload/link"])
        #expect(report.findings[0].hasPrefix(shop.videos[1].path + ": a video's file is not there"))
        #expect(report.findings[1].contains("its record says 1500000 and \(shop.videos[0].md5)"))
        let data = try shop.makeDirectory("data")
        #expect(try shop.restore(to: data).list.files.count == 5)
    }
}

@Suite struct RestoreTests {
    @Test("a restored site has all videos, and goes on with other numbers")
    func all() throws {
        let shop = try Shop()
        try shop.backUp()
        let last = try #require(try shop.site.send(PageUpload(content: videoBytes(5000)).wholeRequest()).videoID)
        let data = try shop.makeDirectory("data")
        let report = try shop.restore(to: data)
        #expect(report.continuation.droppedUploads == 1 && report.continuation.eventsPending > 0)
        let site = try InProcessSite(directory: URL(fileURLWithPath: data), bootID: "b") {
            $0.webhookURL = "http://127.0.0.1:9/"
        }
        site.clock.advance(by: 120)
        #expect(try Check(site.service.maintainer, isDeep: true, isRepairing: false).run().findings == [])
        #expect(try site.catalogue.videos(owner: nil, limit: 9).map(\.id) == shop.videos.map(\.id).reversed())
        let new = try #require(try site.send(PageUpload(content: videoBytes(6000)).wholeRequest()).videoID)
        #expect(new > last && new > 100_000)
        #expect(try site.send(shop.unfinished.request(1)).code == 2)
        let ours = ["upload/", "incoming/", "video-intake.db"]
        #expect(
            try shop.files(data).allSatisfy { name in ours.contains { name.hasPrefix($0) } && !name.contains("restored")
            })
    }

    @Test("a backup that is not as its list says is refused, with all that differs, and nothing is changed")
    func differences() throws {
        let shop = try Shop()
        try shop.backUp()
        // In place, as a disk does it; the second name is the site's.
        for (video, bytes) in zip(shop.videos, ["x", "y"]) {
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: "\(shop.backup)/\(video.path)"))
            try file.write(contentsOf: Data(bytes.utf8))
            try file.close()
        }
        unlink(shop.backup + "/" + shop.videos[2].path)
        let data = try shop.makeDirectory("data")
        let error = #expect(throws: BackupError.self) { try shop.restore(to: data) }
        #expect(
            error?.lines.count == 4
                && error?.lines.last?.hasPrefix("3 files differ: nothing was changed; --leave") == true)
        #expect(error?.description.contains("\(shop.videos[2].path): no file in the backup") == true)
        #expect(try shop.files(data) == [])

        // What is good comes back if that is asked for; the others' records stay.
        let partly = try shop.makeDirectory("partly")
        let report = try Restore(from: shop.backup, to: partly).run(aboveVideo: nil, leavesOutDamaged: true, now: 1)
        #expect(report.leftOut.count == 3 && report.files == 2)
        let site = try InProcessSite(directory: URL(fileURLWithPath: partly), bootID: "b")
        let findings = try Check(site.service.maintainer, isDeep: true, isRepairing: false).run().findings
        #expect(findings.map(\.kind) == [.missing, .missing, .missing])

        var text = textOfFile(shop.backup + "/backup.txt")
        text.replace(" 1500000 ", with: " 1500001 ", maxReplacements: 1)
        try Data(text.utf8).write(to: URL(fileURLWithPath: shop.backup + "/backup.txt"))
        let changed = #expect(throws: BackupError.self) { try shop.restore(to: data) }
        #expect(changed?.description.contains("backup.txt: it is not whole, or was changed") == true)
    }

    @Test("a restore goes on where another one ended, and never in place of a catalogue, or beside the log of one")
    func again() throws {
        let shop = try Shop()
        try shop.backUp()
        let data = try shop.makeDirectory("data")
        let video = shop.videos[0]
        try FileManager.default.createDirectory(
            atPath: URL(fileURLWithPath: "\(data)/\(video.path)").deletingLastPathComponent().path,
            withIntermediateDirectories: true)
        try Data("other".utf8).write(to: URL(fileURLWithPath: "\(data)/\(video.path)"))
        let other = #expect(throws: BackupError.self) { try shop.restore(to: data) }
        #expect(other?.description.contains("\(video.path): the data directory has another file; move it away") == true)
        unlink("\(data)/\(video.path)")
        try FileManager.default.copyItem(atPath: "\(shop.backup)/\(video.path)", toPath: "\(data)/\(video.path)")
        try Data().write(to: URL(fileURLWithPath: data + "/video-intake.db-wal"))
        let log = #expect(throws: BackupError.self) { try shop.restore(to: data) }
        #expect(log?.description.contains("has a catalogue, video-intake.db-wal: stop `serve`") == true)
        unlink(data + "/video-intake.db-wal")
        #expect(try shop.restore(to: data, above: 5_000).continuation.videoNumber == 5_000)
        #expect(throws: BackupError.self) { try shop.restore(to: data) }
        let missing = #expect(throws: BackupError.self) { try shop.restore(to: data + "/none") }
        #expect(missing?.description.contains("is the disk mounted?") == true)
    }

    @Test("a backup of the catalogue alone goes with files that were copied otherwise, if they are all there")
    func catalogueOnly() throws {
        let shop = try Shop()
        #expect(try shop.backUp(.catalogue).files == 0)
        #expect(try shop.files(shop.backup) == ["backup.txt", "video-intake.db"])
        let data = try shop.makeDirectory("data")
        let error = #expect(throws: BackupError.self) { try shop.restore(to: data) }
        #expect(error?.lines.count == 4, "\(error!)")
        #expect(error?.lines.first?.contains("no file in the data directory, its record says 1500000 bytes") == true)
        try FileManager.default.copyItem(atPath: shop.site.dataDirectory.path + "/upload", toPath: data + "/upload")
        _ = try shop.restore(to: data)
        let site = try InProcessSite(directory: URL(fileURLWithPath: data), bootID: "b")
        #expect(try Check(site.service.maintainer, isDeep: true, isRepairing: false).run().findings == [])
    }

    @Test("root gives the files to the owner of the data directory", .enabled(if: geteuid() == 0))
    func owner() throws {
        let shop = try Shop()
        try shop.backUp()
        let data = try shop.makeDirectory("data")
        try #require(chown(data, 33, 33) == 0)
        _ = try shop.restore(to: data)
        for path in try FileManager.default.subpathsOfDirectory(atPath: data) {
            var status = stat()
            #expect(stat("\(data)/\(path)", &status) == 0 && status.st_uid == 33 && status.st_gid == 33, "\(path)")
        }
        // The backup's own files are whose they were.
        var status = stat()
        #expect(stat("\(shop.backup)/\(shop.videos[0].path)", &status) == 0 && status.st_uid == 0)
    }

    @Test("a list says every name as it is")
    func list() throws {
        var list = BackupList(created: 1, version: "0", contents: .all)
        for path in ["video-intake.db", "upload/a b", "upload/a\nb", "upload/a\\nb", "upload/a\r\nb", "upload/攻略"] {
            list.files[path] = FileTransfer.Verified(size: path.count, md5: String(repeating: "a", count: 32))
        }
        #expect(try BackupList(text: list.text) == list)
        #expect(list.text.split(separator: "\n").count == 12)
        list.files["upload/../etc/passwd"] = list.files["upload/a b"]
        #expect(throws: BackupError.self) { try BackupList(text: list.text) }
    }
}
