import Catalogue
import SQLiteCatalogue
import Foundation
import GRDB
import TestSupport
import Testing
import Model

/// The log of changes while somebody reads for long.
@Suite struct LogLimitTests {
    @Test("it stops growing at its limit, deletions go on, and all goes on when the reader is gone")
    func longReader() throws {
        let fixture = try CatalogueFixture()
        let limit = 400_000
        let catalogue = try Catalogue(sqlite: fixture.path, logLimit: limit)
        let video = try #require(try fixture.seal(try fixture.begin().id))
        func length() throws -> Int {
            try FileManager.default.attributesOfItem(atPath: fixture.path + "-wal")[.size] as? Int ?? 0
        }
        func fill() throws -> CatalogueError? {
            for number in 0..<300 {
                do throws(CatalogueError) {
                    _ = try catalogue.copy(
                        video, name: "copy", classID: nil, guid: "\(UUID())", now: Int64(number), permit: .unlimited)
                } catch {
                    return error
                }
            }
            return nil
        }

        let reader = try DatabaseQueue(path: fixture.path)
        try reader.inDatabase { db in
            try db.execute(sql: "BEGIN; SELECT count(*) FROM video_info")
            let error = try fill()
            #expect(error?.reason == .failed && error?.description.contains("-wal has") == true)
            #expect(try length() > limit && length() < limit + 200_000)
            #expect(try catalogue.deleteVideo(id: video.id, now: 1) != nil)
            try db.execute(sql: "COMMIT")
        }
        let again = try #require(try fixture.seal(try fixture.begin(guid: "h").id))
        _ = try #require(
            try catalogue.copy(again, name: "copy", classID: nil, guid: "i", now: 1), "it is stuck")
        // Without a reader the log is used from its beginning again, however much is written.
        for number in 0..<300 {
            _ = try catalogue.copy(again, name: "copy", classID: nil, guid: "\(UUID())", now: Int64(number))
        }
        #expect(try length() < 4_200_000)
    }

    @Test("nothing is added where there is no room, and deletions are made") func noRoom() throws {
        let fixture = try CatalogueFixture()
        let video = try #require(try fixture.seal(try fixture.begin().id))
        let full = try Catalogue(sqlite: fixture.path, hasRoom: { false })
        func reason(_ body: () throws -> Void) -> CatalogueError.Reason? {
            do { try body() } catch { return (error as? CatalogueError)?.reason }
            return nil
        }
        #expect(reason { _ = try full.copy(video, name: "a", classID: nil, guid: "b", now: 1) } == .diskFull)
        #expect(reason { _ = try full.addClass(name: "a", game: "") } == .diskFull)
        #expect(reason { _ = try full.queueJobs(video: nil, now: 1) } == .diskFull)
        #expect(try full.removeClass(1) == false)
        #expect(try full.deleteVideo(id: video.id, now: 1) != nil)
    }
}
