import Foundation
import Testing
import TestSupport

@testable import Media

/// How a finished directory gets to its place.
@Suite struct PublicationTests {
    private func make(_ path: String, _ content: String) throws {
        try FileManager.default.createDirectory(atPath: path + "/hls", withIntermediateDirectories: true)
        try content.write(toFile: path + "/hls/a", atomically: true, encoding: .utf8)
    }

    private func entries(_ workshop: Workshop) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: workshop.directory.path).sorted()
    }

    @Test("a directory gets its final name, and doing it again changes nothing")
    func twice() throws {
        let workshop = try Workshop()
        try make(workshop.work, "new")
        for _ in 0..<2 {
            try Transcoder.publish(workshop.work, as: workshop.path("final"))
            #expect(try workshop.text("final/hls/a") == "new")
            #expect(try entries(workshop) == ["final"])
        }
    }

    @Test("what was there before is replaced, at no moment missing, and removed")
    func replaced() throws {
        let workshop = try Workshop()
        try make(workshop.path("final"), "first")
        let isOver = Locked(false)
        let missed = Locked(0)
        let looks = Locked(0)
        let final = workshop.path("final/hls/a")
        let ended = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            while !isOver.withLock({ $0 }) {
                if access(final, F_OK) != 0 { missed.withLock { $0 += 1 } }
                looks.withLock { $0 += 1 }
            }
            ended.signal()
        }
        for round in 0..<50 {
            try make(workshop.work, "round \(round)")
            try Transcoder.publish(workshop.work, as: workshop.path("final"))
            #expect(try workshop.text("final/hls/a") == "round \(round)")
        }
        isOver.withLock { $0 = true }
        ended.wait()
        #expect(missed.withLock { $0 } == 0 && looks.withLock { $0 } > 50)
        #expect(try entries(workshop) == ["final"])
    }

    @Test("after a crash between the exchange and the removal the new one stays, and the old one goes")
    func crashed() throws {
        let workshop = try Workshop()
        // As the crash leaves it.
        try make(workshop.path("final"), "new")
        try make(workshop.work, "old")
        try Data().write(to: URL(fileURLWithPath: workshop.work + "/.superseded"))
        try Transcoder.publish(workshop.work, as: workshop.path("final"))
        #expect(try workshop.text("final/hls/a") == "new")
        #expect(try entries(workshop) == ["final"])
    }

    @Test("after a crash before the exchange the new one takes the place")
    func crashedBefore() throws {
        let workshop = try Workshop()
        try make(workshop.path("final"), "old")
        try Data().write(to: URL(fileURLWithPath: workshop.path("final/.superseded")))
        try make(workshop.work, "new")
        try Transcoder.publish(workshop.work, as: workshop.path("final"))
        #expect(try workshop.text("final/hls/a") == "new")
        #expect(try entries(workshop) == ["final"])
    }

    @Test("without a directory to publish there is an error, and so there is where a file is in the way")
    func nothing() throws {
        let workshop = try Workshop()
        #expect(throws: TranscodingError.self) {
            try Transcoder.publish(workshop.work, as: workshop.path("final"))
        }
        try make(workshop.work, "new")
        try Data("x".utf8).write(to: URL(fileURLWithPath: workshop.path("final")))
        let error = #expect(throws: TranscodingError.self) {
            try Transcoder.publish(workshop.work, as: workshop.path("final"))
        }
        #expect(error?.code == .io)
        #expect(try workshop.text("final") == "x")
    }

    @Test("what an attempt that crashed has left in the work directory is gone after the next one")
    func leftover() throws {
        let workshop = try Workshop()
        try make(workshop.work, "old")
        try Data().write(to: URL(fileURLWithPath: workshop.work + "/.superseded"))
        let source = try workshop.makeVideo("source.mp4", sound: false)
        _ = try workshop.run(source, .mp4, profile: Workshop.quick(.mp4))
        #expect(try FileManager.default.contentsOfDirectory(atPath: workshop.work) == ["video.mp4"])
        try Transcoder.publish(workshop.work, as: workshop.path("final"))
        #expect(workshop.exists("final/video.mp4"))
    }
}
