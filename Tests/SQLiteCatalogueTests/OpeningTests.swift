import Catalogue
import Foundation
import GRDB
import SQLiteCatalogue
import TestSupport
import Testing

/// The file of a catalogue: what is opened, and what is made.
@Suite struct OpeningTests {
    @Test("a catalogue of a later version is refused with a sentence that says what to do")
    func newerSchema() throws {
        let fixture = try CatalogueFixture()
        try DatabaseQueue(path: fixture.path).write { db in
            try db.execute(sql: "INSERT INTO grdb_migrations VALUES ('999')")
        }
        let error = #expect(throws: CatalogueError.self) { try Catalogue(sqlite: fixture.path) }
        #expect(error?.reason == .incompatible)
        #expect(error?.description.contains("later version") == true)
    }

    @Test("an older schema is brought up to date when it is opened")
    func olderSchema() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appendingPathComponent("old.db").path
        try DatabaseQueue(path: path).write { db in
            try db.execute(sql: "CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY)")
        }
        #expect(try Catalogue(sqlite: path).classes() == [])
    }

    @Test("a responder and workers that start at the same time make one new file, in turns")
    func openedAtOnce() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        for file in 0..<20 {
            let path = directory.appendingPathComponent("\(file).db").path
            let failures: Locked<[any Error]> = Locked([])
            DispatchQueue.concurrentPerform(iterations: 4) { _ in
                do { _ = try Catalogue(sqlite: path, creates: true) } catch {
                    failures.withLock { $0.append(error) }
                }
            }
            #expect(failures.withLock { $0.map { "\($0)" } } == [])
        }
    }

    @Test("without being asked nothing is made, and a file without tables is not taken for a catalogue")
    func nothingIsMadeUnasked() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appendingPathComponent("video-intake.db").path
        let missing = #expect(throws: CatalogueError.self) { try Catalogue(sqlite: path) }
        #expect(missing?.description.hasSuffix("No such file or directory") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [])
        // What a crash while one was made, or a copy that was cut off, may leave.
        for creates in [false, true] {
            try Data().write(to: URL(fileURLWithPath: path))
            let empty = #expect(throws: CatalogueError.self) { try Catalogue(sqlite: path, creates: creates) }
            #expect(empty?.reason == .incompatible && empty?.description.contains("is empty") == true)
        }
    }

    @Test("what is made is whole or not there: a crash leaves another name")
    func madeWhole() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appendingPathComponent("video-intake.db").path
        try Data("half of a catalogue".utf8).write(to: URL(fileURLWithPath: path + ".new"))
        #expect(try Catalogue(sqlite: path, creates: true).addClass(name: "a", game: "") == 1)
        #expect(try Catalogue(sqlite: path, creates: true).classes().count == 1)
        #expect(!FileManager.default.fileExists(atPath: path + ".new"))
    }

    @Test("a file that is no database is refused, not overwritten")
    func notADatabase() throws {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("notes.db")
        let text = Data(String(repeating: "not a database at all. ", count: 100).utf8)
        try text.write(to: file)
        #expect(throws: CatalogueError.self) { try Catalogue(sqlite: file.path) }
        #expect(try Data(contentsOf: file) == text)
    }
}
