@testable import FileStore
import ChunkStore
import Foundation
import Glibc
import System
import TestSupport
import Testing

/// A store in a directory of its own.
private final class Fixture {
    let directory: URL
    let store: FileChunkStore

    init(reserve: FileChunkStore.Reserve = .bytes(0)) throws {
        directory = try makeTemporaryDirectory()
        store = try FileChunkStore(directory: directory.path, reserve: reserve)
    }

    deinit {
        try? FileManager.default.removeItem(at: directory)
    }

    func source(_ bytes: [UInt8]) throws -> Content {
        let file = try StoredFile(unnamedIn: store.incoming)
        try file.write(bytes, at: 5)
        return .file(file, 5..<5 + bytes.count)
    }

    func contents(_ path: String) throws -> [UInt8] {
        Array(try Data(contentsOf: directory.appendingPathComponent(path)))
    }

    func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: directory.appendingPathComponent(path).path)
    }
}

@Suite struct FileChunkStoreTests {
    @Test("chunks go to their offsets in any order, and the published file is the same bytes under another name")
    func publish() throws {
        let fixture = try Fixture()
        let content = videoBytes(10_000)
        let (file, isNew) = try fixture.store.makeUpload(7)
        #expect(isNew)
        for range in [6000..<10_000, 0..<3000, 3000..<6000] {
            try file.write(fixture.source(Array(content[range])), at: range.lowerBound)
        }
        let path = "upload/mp4/2026/11/original/a.mp4"
        #expect(try fixture.store.publish(7, file, as: path))
        #expect(try fixture.contents(path) == content)
        #expect(try file.descriptor.status().st_nlink == 2)
        fixture.store.removeUpload(7)
        #expect(try file.descriptor.status().st_nlink == 1)
        #expect(try fixture.store.openPublished(path).length() == content.count)
    }

    @Test("publishing again takes the same name; a name that other content has is left alone")
    func publishAgain() throws {
        let fixture = try Fixture()
        let (file, _) = try fixture.store.makeUpload(1)
        let (other, _) = try fixture.store.makeUpload(2)
        #expect(try fixture.store.publish(1, file, as: "upload/a.mp4"))
        #expect(try fixture.store.publish(1, file, as: "upload/a.mp4"))
        #expect(try !fixture.store.publish(2, other, as: "upload/a.mp4"))
        #expect(try fixture.store.publish(2, other, as: "upload/a-2.mp4"))
        // Nor is it taken from a link or a pipe, which nobody writes to.
        for (name, make) in [("link", { symlink("a.mp4", $0) }), ("pipe", { mkfifo($0, 0o600) })]
            as [(String, (String) -> Int32)]
        {
            try #require(make(fixture.directory.path + "/upload/\(name).mp4") == 0)
            #expect(try !fixture.store.publish(2, other, as: "upload/\(name).mp4"))
            #expect(throws: SystemError.self) { try fixture.store.openPublished("upload/\(name).mp4") }
        }
    }

    @Test("a file is the upload's until it is published and loses its first name")
    func current() throws {
        let fixture = try Fixture()
        let (file, _) = try fixture.store.makeUpload(1)
        #expect(try fixture.store.names(of: file, ifUpload: 1) != nil)
        #expect(try fixture.store.names(of: file, ifUpload: 2) == nil)
        _ = try fixture.store.publish(1, file, as: "upload/a.mp4")
        #expect(try fixture.store.names(of: file, ifUpload: 1) != nil)
        fixture.store.removeUpload(1)
        #expect(try fixture.store.names(of: file, ifUpload: 1) == nil)
        _ = try fixture.store.makeUpload(1)
        #expect(try fixture.store.names(of: file, ifUpload: 1) == nil)
    }

    @Test("what is set aside keeps what was set aside before")
    func setAside() throws {
        let fixture = try Fixture()
        for (text, place) in [("one", "set-aside/9.part"), ("two", "set-aside/9.part.1")] {
            try Data(text.utf8).write(to: fixture.directory.appendingPathComponent("incoming/9.part"))
            let files = try fixture.store.incomingFiles()
            #expect(files.map(\.upload) == [9] && files.map(\.length) == [3])
            #expect(try fixture.store.setAside(files[0]) == place)
            // Another process has found it, too.
            #expect(try fixture.store.setAside(files[0]) == nil)
            #expect(try fixture.contents(place) == Array(text.utf8))
        }
        #expect(try fixture.store.incomingFiles().isEmpty)
        try Data().write(to: fixture.directory.appendingPathComponent("incoming/09.part"))
        #expect(try fixture.store.incomingFiles().map(\.upload) == [nil])
    }

    @Test("another open file keeps out of a locked range, and waits for it no longer than it may")
    func lock() throws {
        let fixture = try Fixture()
        let (one, _) = try fixture.store.makeUpload(1)
        let (other, _) = try fixture.store.makeUpload(1)
        try one.lock(10..<20, within: 0)
        try other.lock(20..<30, within: 0)
        let error = #expect(throws: SystemError.self) { try other.lock(within: 0) }
        #expect(error?.code == EAGAIN)
        one.unlock(10..<20)
        try other.lock(within: 0)
        #expect(throws: SystemError.self) { try one.lock(99..<100, within: 0.01) }
    }

    @Test("an upload takes the room that its chunks take, whatever it announces")
    func sparse() throws {
        let fixture = try Fixture()
        let (file, isNew) = try fixture.store.makeUpload(1)
        #expect(try isNew && file.length() == 0)
        try file.write([UInt8](repeating: 1, count: 1 << 20), at: 3 << 20)
        #expect(try file.length() == 4 << 20)
        #expect(try file.descriptor.status().st_blocks * 512 <= 3 << 19)
        #expect(try !fixture.store.makeUpload(1).isNew)
    }

    @Test("a chunk that would eat into the reserve has no room")
    func reserve() throws {
        let fixture = try Fixture(reserve: .bytes(1 << 60))
        let error = #expect(throws: StoreError.self) { try fixture.store.checkRoom(for: 10) }
        #expect(error?.reason == .diskFull)
    }

    @Test("room is kept for bodies of requests under way, and those that are there take of it and of nothing else")
    func bodies() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let body = directory.path + "/body"
        try FileManager.default.createDirectory(atPath: body, withIntermediateDirectories: false)
        func room(_ reserve: FileChunkStore.Reserve = .automatic, limit: Int) throws -> Int {
            try FileChunkStore(
                directory: directory.path, bodyDirectory: body, bodiesLimit: limit, reserve: reserve
            ).room().data
        }
        // What others do to the disk meanwhile.
        let tolerance = 64 << 20
        let limit = 640 << 20
        #expect(abs(try room(limit: 0) - room(limit: limit) - limit) < tolerance)
        #expect(abs(try room(.bytes(0), limit: 0) - room(.bytes(0), limit: limit)) < tolerance)
        try Data(count: limit / 2).write(to: URL(fileURLWithPath: body + "/1"))
        #expect(abs(try room(limit: 0) - room(limit: limit) - limit / 2) < tolerance)
        try Data(count: limit).write(to: URL(fileURLWithPath: body + "/1"))
        #expect(abs(try room(limit: 0) - room(limit: limit)) < tolerance)
        // What is not nginx's is counted by nothing here.
        try FileManager.default.moveItem(atPath: body + "/1", toPath: body + "/other")
        #expect(abs(try room(limit: 0) - room(limit: limit) - limit) < tolerance)
        // However many there may be: 5 % of the disk.
        var status = statvfs()
        statvfs(body, &status)
        let total = Int(status.f_blocks) * Int(status.f_frsize)
        try FileManager.default.removeItem(atPath: body + "/other")
        #expect(abs(try room(limit: 0) - room(limit: 1 << 60) - total / 20) < tolerance)
    }

    @Test("nothing outside the directory and no symbolic link is opened as a published file")
    func beneath() throws {
        let fixture = try Fixture()
        try Data("secret".utf8).write(to: fixture.directory.appendingPathComponent("secret"))
        try FileManager.default.createSymbolicLink(
            at: fixture.directory.appendingPathComponent("link"), withDestinationURL: URL(fileURLWithPath: "/etc"))
        for path in ["../etc/passwd", "/etc/passwd", "link/passwd", "link", "a/../../etc/passwd"] {
            #expect(throws: SystemError.self, "\(path)") { try fixture.store.openPublished(path) }
        }
        #expect(try fixture.store.openPublished("secret").length() == 6)
    }

    @Test("a chunk is the same only if every byte is")
    func matches() throws {
        let fixture = try Fixture()
        let content = videoBytes(600_000)
        let (file, _) = try fixture.store.makeUpload(1)
        try file.write(fixture.source(content), at: 100)
        #expect(try file.matches(fixture.source(content), at: 100))
        #expect(try !file.matches(fixture.source(content), at: 101))
        for index in [0, 262_143, 262_144, 599_999] {
            var changed = content
            changed[index] ^= 1
            #expect(try !file.matches(fixture.source(changed), at: 100), "byte \(index)")
        }
    }

    @Test("bytes that are written again are the same")
    func rewrite() throws {
        let fixture = try Fixture()
        let content = videoBytes(600_000)
        let (file, _) = try fixture.store.makeUpload(1)
        try file.write(fixture.source(content), at: 999)
        try file.rewrite(999..<999 + content.count)
        #expect(try file.matches(fixture.source(content), at: 999))
    }

    @Test("a source that is shorter than it was is an error, not a short file")
    func shortSource() throws {
        let fixture = try Fixture()
        let (file, _) = try fixture.store.makeUpload(1)
        let short = try StoredFile(unnamedIn: fixture.store.incoming)
        try short.write([UInt8](repeating: 1, count: 8), at: 0)
        #expect(throws: SystemError("pread", code: EIO)) {
            try file.write(.file(short, 5..<15), at: 0)
        }
    }

    /// Writes a file of some KB below the store, and makes the directories above it.
    private func write(_ path: String, in fixture: Fixture) throws {
        let url = fixture.directory.appendingPathComponent(path)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(count: 8192).write(to: url)
    }

    @Test("a published file is removed, or a directory with all that is in it, and what is beside it stays")
    func removePublished() throws {
        let fixture = try Fixture()
        for path in ["original/a.mp4", "made/a.mp4/v.mp4", "made/a.mp4/hls/720/0.m4s", "made/b.mp4/v.mp4"] {
            try write("upload/\(path)", in: fixture)
        }
        #expect(try fixture.store.removePublished("upload/original/a.mp4") == 8192)
        #expect(try fixture.store.removePublished("upload/made/a.mp4") >= 2 * 8192)
        #expect(!fixture.exists("upload/original/a.mp4") && !fixture.exists("upload/made/a.mp4"))
        #expect(fixture.exists("upload/made/b.mp4/v.mp4") && fixture.exists("upload/original"))
        for path in ["upload/original/a.mp4", "upload/made/a.mp4", "upload/none/a/b"] {
            #expect(try fixture.store.removePublished(path) == 0)
        }
    }

    @Test(
        "nothing is removed that is not strictly below upload/",
        arguments: [
            "upload", "upload/", "upload/.", "upload/..", "upload/../keep", "upload/a/../../keep", "keep", "/keep", "",
            "upload//a", "./upload/a", "incoming/1.part", "upload/a/..",
        ])
    func removeOnlyBelow(path: String) throws {
        let fixture = try Fixture()
        try write("keep/file", in: fixture)
        try write("upload/a/file", in: fixture)
        let error = #expect(throws: StoreError.self) { try fixture.store.removePublished(path) }
        #expect(error?.reason == .foreign)
        #expect(fixture.exists("keep/file") && fixture.exists("upload/a/file"))
    }

    @Test("what is moved to the trash is out of its place at once, and gone when it is removed from there")
    func trash() throws {
        let fixture = try Fixture()
        #expect(try fixture.store.trash() == [])
        for path in ["original/a.mp4", "made/a.mp4/hls/0.m4s", "made/b.mp4/hls/0.m4s"] {
            try write("upload/\(path)", in: fixture)
        }
        #expect(try fixture.store.moveToTrash("upload/original/a.mp4", as: "1") == "1")
        #expect(try fixture.store.moveToTrash("upload/made/a.mp4", as: "2") == "2")
        // A leftover of an earlier attempt has the name.
        #expect(try fixture.store.moveToTrash("upload/made/b.mp4", as: "2") == "2.1")
        #expect(try fixture.store.moveToTrash("upload/made/b.mp4", as: "3") == nil)
        #expect(!fixture.exists("upload/original/a.mp4") && !fixture.exists("upload/made/a.mp4"))
        #expect(try fixture.store.trash().sorted() == ["1", "2", "2.1"])
        #expect(try fixture.store.removeTrash("1", movedFrom: "upload/original/a.mp4") == 8192)
        #expect(try fixture.store.removeTrash("2", movedFrom: "upload/gone/a.mp4") >= 8192)
        #expect(try fixture.store.removeTrash("2", movedFrom: nil) == 0)
        #expect(try fixture.store.trash() == ["2.1"])
        let error = #expect(throws: StoreError.self) { try fixture.store.moveToTrash("incoming/1.part", as: "9") }
        #expect(error?.reason == .foreign)
    }

    @Test("a link is removed, not what it points to, and none is followed on the way")
    func removeLink() throws {
        let fixture = try Fixture()
        try write("keep/file", in: fixture)
        try write("upload/a/file", in: fixture)
        let keep = fixture.directory.appendingPathComponent("keep").path
        for link in ["upload/link", "upload/a/link"] {
            try FileManager.default.createSymbolicLink(
                atPath: fixture.directory.appendingPathComponent(link).path, withDestinationPath: keep)
        }
        #expect(throws: StoreError.self) { try fixture.store.removePublished("upload/link/file") }
        _ = try fixture.store.removePublished("upload/a")
        _ = try fixture.store.removePublished("upload/link")
        #expect(fixture.exists("keep/file") && !fixture.exists("upload/a") && !fixture.exists("upload/link"))
    }
}
