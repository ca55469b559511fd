import Maintenance
import Model
import Foundation
import Intake
import Synchronization
import Testing
import TestSupport

/// A video of three chunks of 10 KB.
private func page(_ content: [UInt8] = videoBytes(29_999), guid: String = PageUpload.newGuid()) -> PageUpload {
    var page = PageUpload(guid: guid, content: content)
    page.chunkSize = 10_000
    return page
}

/// Stops at one step, once, until it may go on.
private final class Stop: Sendable {
    private let step: Step
    private let isDone = Locked(false)
    private let reached = DispatchSemaphore(value: 0)
    private let mayGoOn = DispatchSemaphore(value: 0)

    init(at step: Step) { self.step = step }

    func pass(_ step: Step) {
        let isFirst =
            step == self.step
            && isDone.withLock { done in
                defer { done = true }
                return !done
            }
        guard isFirst else { return }
        reached.signal()
        mayGoOn.wait()
    }

    /// Waits until it stops there, or until `end` says that it will not. Returns whether it does.
    func wait(orEnd end: DispatchGroup) -> Bool {
        for _ in 0..<3000 {
            if reached.wait(timeout: .now() + 0.01) == .success { return true }
            if end.wait(timeout: .now()) == .success { return reached.wait(timeout: .now()) == .success }
        }
        return false
    }

    func goOn() { mayGoOn.signal() }
}

/// A deletion and an upload of the same content, at the same moment.
@Suite struct DeletionBesideSealingTests {
    /// Which of the two stops, and is passed by the other.
    enum Order: CaseIterable {
        case sealingStops, deletionStops
    }

    /// What the upload has in common with the video that is deleted.
    enum Common: CaseIterable {
        case content, guid, both
    }

    @Test(
        "whichever stops at any step while the other one gets to any of its own, no record is without its file",
        arguments: Common.allCases, Order.allCases)
    func stepByStep(common: Common, order: Order) throws {
        for sealingStep in Step.ofSealing {
            for deletionStep in Step.ofDeletion {
                try meet(common, order, sealingStep, deletionStep)
            }
        }
    }

    private func meet(_ common: Common, _ order: Order, _ sealingStep: Step, _ deletionStep: Step) throws {
        let name: Comment = "\(common), \(order): sealing at \(sealingStep), deletion at \(deletionStep)"
        let (sealing, deletion) = (Stop(at: sealingStep), Stop(at: deletionStep))
        let first = try InProcessSite()
        let old = page()
        for chunk in 0..<3 { _ = try first.send(old.request(chunk)) }
        let id = try #require(try first.catalogue.videos(owner: nil, limit: 1).first?.id)
        // In services of their own, as in two processes.
        let uploading = try first.another(atStep: { sealing.pass($0) })
        let deleting = try first.another(atStep: { deletion.pass($0) })
        let new = page(
            common == .guid ? videoBytes(29_999) : old.content,
            guid: common == .content ? PageUpload.newGuid() : old.guid)
        // Its guid is no alias of the video any more, but its name is the same.
        if common == .both { try first.execute("DELETE FROM upload_guid") }
        for chunk in 0..<2 { #expect(try uploading.send(new.request(chunk)).code == 2, name) }

        let (sealingEnd, deletionEnd) = (DispatchGroup(), DispatchGroup())
        let reply: Locked<ReceivedReply?> = Locked(nil)
        func seal() {
            sealingEnd.enter()
            Thread.detachNewThread {
                let last = try? uploading.send(new.request(2))
                reply.withLock { $0 = last }
                sealingEnd.leave()
            }
        }
        func delete() {
            deletionEnd.enter()
            Thread.detachNewThread {
                _ = try? deleting.service.maintainer.deleteVideo(id: id)
                deletionEnd.leave()
            }
        }
        switch order {
        case .sealingStops:
            seal()
            _ = sealing.wait(orEnd: sealingEnd)
            delete()
            _ = deletion.wait(orEnd: deletionEnd)
            sealing.goOn()
            _ = sealingEnd.wait(timeout: .now() + 30)
            deletion.goOn()
        case .deletionStops:
            delete()
            _ = deletion.wait(orEnd: deletionEnd)
            seal()
            _ = sealing.wait(orEnd: sealingEnd)
            deletion.goOn()
            _ = deletionEnd.wait(timeout: .now() + 30)
            sealing.goOn()
        }
        #expect(sealingEnd.wait(timeout: .now() + 30) == .success, name)
        #expect(deletionEnd.wait(timeout: .now() + 30) == .success, name)

        let last = try #require(reply.withLock { $0 }, name)
        #expect(last.code == 1, "\(name): \(last)")
        let isIdentical = try first.storedBytes(last.path ?? "") == new.content
        #expect(isIdentical, name)
        #expect(try first.catalogue.videos(owner: nil, limit: 9).map { Int($0.id) } == [last.videoID], name)
        _ = try first.service.sweep()
        first.clock.advance(by: 120)
        let findings = try Check(first.service.maintainer, isDeep: true, isRepairing: false).run().findings
        #expect(findings == [], name)
        #expect(first.publishedFiles().count == 1 && first.incomingFiles() == [], name)
        #expect(try first.catalogue.garbage(limit: 9) == [], name)
    }

    @Test(
        "what a crash in the middle of a deletion leaves is found by check and removed by the sweep", arguments: 0...2)
    func crash(step: Int) throws {
        let site = try InProcessSite()
        let page = page()
        for chunk in 0..<3 { _ = try site.send(page.request(chunk)) }
        let video = try #require(try site.catalogue.videos(owner: nil, limit: 1).first)
        let made = site.dataDirectory.appendingPathComponent(StorageLayout.results(ofOriginal: video.path))
        try FileManager.default.createDirectory(
            at: made.appendingPathComponent("hls"), withIntermediateDirectories: true)
        try Data(count: 4096).write(to: made.appendingPathComponent("hls/0.m4s"))
        site.clock.advance(by: 120)

        let garbage = try #require(try site.catalogue.deleteVideo(id: video.id, now: site.clock.now))
        let trash = site.dataDirectory.appendingPathComponent("trash")
        if step > 0 {
            try FileManager.default.createDirectory(at: trash, withIntermediateDirectories: true)
            try FileManager.default.moveItem(
                at: site.dataDirectory.appendingPathComponent(video.path),
                to: trash.appendingPathComponent("\(garbage[0].id)"))
        }
        if step > 1 { try site.catalogue.forget(garbage[0]) }
        let found = try Check(site.service.maintainer, isDeep: false, isRepairing: false).run().findings
        #expect(found.map(\.kind) == [.leftover], "\(found)")
        #expect(try site.service.sweep(isDryRun: true).garbage.files == 2)
        #expect(site.publishedFiles().count == (step == 0 ? 2 : 1))
        #expect(try site.service.sweep().garbage.files == 2)
        #expect(try site.catalogue.garbage(limit: 9) == [] && site.publishedFiles() == [])
        #expect(try FileManager.default.contentsOfDirectory(atPath: trash.path) == [])
        #expect(try Check(site.service.maintainer, isDeep: false, isRepairing: false).run().findings == [])
    }

    /// `VIDEO_INTAKE_TEST_ROUNDS` says how many; 2,000 take some minutes.
    @Test("rounds of upload beside delete: what was acknowledged is there")
    func rounds() throws {
        let environment = ProcessInfo.processInfo.environment
        let rounds = environment["VIDEO_INTAKE_TEST_ROUNDS"].flatMap { Int($0) } ?? 60
        let seed = environment["VIDEO_INTAKE_TEST_SEED"].flatMap { UInt64($0) } ?? .random(in: 0 ... .max)
        print("upload beside delete: \(rounds) rounds, VIDEO_INTAKE_TEST_SEED=\(seed)")
        var random = SeededGenerator(seed)
        let site = try InProcessSite()
        let other = try site.another()
        let content = videoBytes(29_999)
        let guids = (0..<3).map { _ in PageUpload.newGuid() }
        var lost: [Int] = []
        for round in 0..<rounds {
            var pages = (0..<2).map { _ in page(content, guid: guids.randomElement(using: &random)!) }
            pages[1].chunkSize = Bool.random(using: &random) ? 10_000 : 11_000
            let services = (0..<3).map { _ in Bool.random(using: &random) ? site : other }
            let delays = (0..<3).map { _ in UInt32.random(in: 0...3000, using: &random) }
            let old = try site.catalogue.videos(owner: nil, limit: 9).map(\.id)
            let done = DispatchGroup()
            let ids: Locked<[Int]> = Locked([])
            for (index, page) in pages.enumerated() {
                done.enter()
                Thread.detachNewThread {
                    usleep(delays[index])
                    for chunk in 0..<3 {
                        guard let reply = try? services[index].send(page.request(chunk)), reply.code == 1 else {
                            continue
                        }
                        ids.withLock { $0.append(reply.videoID ?? 0) }
                    }
                    done.leave()
                }
            }
            done.enter()
            Thread.detachNewThread {
                usleep(delays[2])
                for id in old { _ = try? services[2].service.maintainer.deleteVideo(id: id) }
                done.leave()
            }
            done.wait()
            for video in try site.catalogue.videos(owner: nil, limit: 99) {
                let isThere = (try? site.storedBytes(video.path)) == content
                if !isThere { lost.append(round) }
            }
            let recorded = Set(try site.catalogue.videos(owner: nil, limit: 99).map { Int($0.id) })
            let acknowledged = Set(ids.withLock(\.self)).subtracting(old.map(Int.init))
            if !acknowledged.isSubset(of: recorded) { lost.append(round) }
        }
        #expect(lost == [], "seed \(seed)")
        _ = try site.service.sweep()
        site.clock.advance(by: 120)
        #expect(
            try Check(site.service.maintainer, isDeep: true, isRepairing: false).run().findings == [], "seed \(seed)")
    }
}
