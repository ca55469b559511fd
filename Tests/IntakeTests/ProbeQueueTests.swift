import Dispatch
import Foundation
import Glibc
import Testing
import TestSupport

@testable import Intake

/// Whose file is probed next, and what probes cost others.
@Suite struct ProbeQueueTests {
    /// The clients of the next files, as they would be probed one after the other.
    private func order(_ schedule: inout ProbeSchedule, _ count: Int) -> String {
        (0..<count).map { _ in
            guard let task = schedule.next() else { return "-" }
            schedule.end(task, isRecorded: true)
            return task.client
        }.joined()
    }

    @Test("a client's next file comes after one of each other client")
    func fairness() {
        var schedule = ProbeSchedule()
        for number in 0..<6 { schedule.add(.init(path: "a\(number)", client: "a")) }
        let alone = order(&schedule, 2)
        #expect(alone == "aa")
        for number in 0..<2 { schedule.add(.init(path: "b\(number)", client: "b")) }
        schedule.add(.init(path: "c", client: "c"))
        // Those without a turn yet first, as they came.
        let together = order(&schedule, 8)
        #expect(together == "bcabaaa-")
    }

    @Test("two files are probed at once, and none of them is taken twice")
    func slots() throws {
        var schedule = ProbeSchedule()
        for path in ["1", "2", "2", "3"] { schedule.add(.init(path: path, client: "a")) }
        #expect(schedule.waiting == 3)
        let (next, other, none) = (schedule.next(), schedule.next(), schedule.next())
        let (first, second) = (try #require(next), try #require(other))
        #expect(none == nil && schedule.running == 2)
        // It is under way.
        schedule.add(first)
        #expect(schedule.waiting == 1)
        schedule.end(second, isRecorded: true)
        let third = schedule.next()
        #expect(third?.path == "3")
    }

    @Test("a request takes a free slot at once, but one client never two, and none that others wait for")
    func requests() {
        var schedule = ProbeSchedule()
        let begun = ["a", "a", "b", "c"].map { schedule.beginRequest(of: $0) }
        #expect(begun == [true, false, true, false])
        schedule.endRequest(of: "a")
        let another = schedule.beginRequest(of: "c")
        #expect(another)
        schedule.add(.init(path: "1", client: "d"))
        schedule.endRequest(of: "b")
        let late = schedule.beginRequest(of: "e")
        #expect(!late)
        let task = schedule.next()
        #expect(task?.path == "1")
    }

    @Test("what waits is bounded, of one client and of all, and what does not fit is looked for when all is done")
    func bounds() {
        var schedule = ProbeSchedule()
        for number in 0..<200 { schedule.add(.init(path: "\(number)", client: "a")) }
        #expect(schedule.waiting == ProbeSchedule.clientLimit && !schedule.needsRefill)
        for number in 1000..<9000 { schedule.add(.init(path: "\(number)", client: "\(number % 50)")) }
        #expect(schedule.waiting == ProbeSchedule.limit)
        _ = order(&schedule, ProbeSchedule.limit)
        #expect(schedule.waiting == 0 && schedule.needsRefill && !schedule.isIdle)
        schedule.beginRefill()
        #expect(!schedule.isIdle && !schedule.needsRefill)
        // The catalogue has more than fits, and nothing of it can be recorded: it is not asked again and again.
        for number in 0..<200 { schedule.add(.init(path: "\(number)", client: "catalogue")) }
        schedule.endRefill()
        while let task = schedule.next() { schedule.end(task, isRecorded: false) }
        #expect(schedule.isIdle)
    }

    /// Processes that this one has started, and their memory in bytes.
    private func children(of site: InProcessSite) -> (count: Int, memory: Int) {
        var (count, memory) = (0, 0)
        for thread in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? [] {
            let list = textOfFile("/proc/self/task/\(thread)/children")
            // Other suites have tools of their own at the same time: those of the site read its files.
            // Before it is ffprobe a child still has this program's memory, which costs nothing.
            for child in list.split(separator: " ") where isFFprobe(child) && reads(child, site) {
                let pages = textOfFile("/proc/\(child)/statm").split(separator: " ").dropFirst().first
                count += 1
                memory += (pages.flatMap { Int($0) } ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
            }
        }
        return (count, memory)
    }

    private func isFFprobe(_ process: Substring) -> Bool { textOfFile("/proc/\(process)/comm") == "ffprobe\n" }

    private func reads(_ process: Substring, _ site: InProcessSite) -> Bool {
        textOfFile("/proc/\(process)/cmdline").contains(site.dataDirectory.lastPathComponent)
    }

    @Test("ten clients with files that want gigabytes: little memory, others are answered, an honest video is probed")
    func bombs() throws {
        let site = try InProcessSite()
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        try makeVideo(directory.appendingPathComponent("video.mp4"))
        var honest = PageUpload(
            content: [UInt8](try Data(contentsOf: directory.appendingPathComponent("video.mp4"))))
        honest.owner = "honest"
        honest.chunkSize = 2000

        // As many requests at once as `serve` has threads.
        let threads = DispatchSemaphore(value: 8)
        @Sendable func send(_ request: SentRequest) throws -> ReceivedReply {
            threads.wait()
            defer { threads.signal() }
            return try site.send(request)
        }
        let isOver = Locked(false)
        let sent = Locked(0)
        let attackers = (0..<10).map { number in
            Thread {
                while !isOver.withLock({ $0 }) {
                    let content = HostileVideo.withIndex(
                        pictures: number.isMultiple(of: 2) ? 30_000_000 : 4_000_000, tracks: 1 + UInt32(number % 4))
                    var bomb = PageUpload(content: content)
                    bomb.owner = "attacker\(number)"
                    if (try? send(bomb.wholeRequest()))?.code == 1 { sent.withLock { $0 += 1 } }
                    usleep(100_000)
                }
            }
        }
        attackers.forEach { $0.start() }
        defer { isOver.withLock { $0 = true } }
        let start = ContinuousClock.now
        var (most, mostChildren, times) = (0, 0, [Duration]())
        var asked: ContinuousClock.Instant?
        var known: Duration?
        // Longer on a busy machine: the attackers go on until it is known.
        while ContinuousClock.now - start < .seconds(known == nil ? 55 : 10) {
            let children = children(of: site)
            (most, mostChildren) = (max(most, children.memory), max(mostChildren, children.count))
            let before = ContinuousClock.now
            #expect(try send(SentRequest("/service/upload/list_class")).code == 1)
            times.append(ContinuousClock.now - before)
            if asked == nil, before - start > .seconds(3) {
                for chunk in 0..<honest.chunks { _ = try send(honest.request(chunk)) }
                asked = .now
            }
            if let asked, known == nil, let duration = try send(honest.determineRequest()).data?["duration"] as? Double,
                duration > 0
            {
                #expect(duration == 2.5)
                known = .now - asked
            }
            usleep(20_000)
        }
        isOver.withLock { $0 = true }
        times.sort()
        let slowest = times[times.count * 99 / 100]
        print(
            "bombs: \(sent.withLock { $0 }) sent, children at most \(mostChildren) with \(most >> 20) MiB, questions p99 "
                + "\(slowest), duration known after \(known.map { "\($0)" } ?? "never")")
        #expect(sent.withLock { $0 } > 20 && mostChildren > 0)
        #expect(most < 600 << 20)
        // Ten times of what is asked for, and three times that for ThreadSanitizer.
        #expect(slowest < .seconds(3))
        #expect(try #require(known) < .seconds(50))
    }
}
