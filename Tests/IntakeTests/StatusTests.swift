import Model
import ChunkStore
@testable import Intake
import Testing
import TestSupport

/// What needs attention, and what does not.
@Suite struct StatusTests {
    private static let now: Int64 = 1_000_000

    private func attention(
        _ responder: ServiceStatus.Responder? = nil, room: Room = Room(data: 1, body: nil), transcodes: Bool = false,
        site: String = "", _ change: (inout CatalogueFigures) -> Void = { _ in }
    ) -> [String] {
        var figures = CatalogueFigures()
        change(&figures)
        return ServiceStatus(
            version: "1", responder: responder ?? .answers(MetricSamples(text: "")), catalogue: .value(figures),
            room: .value(room), queuesTranscoding: transcodes, site: site, now: Self.now
        ).attention
    }

    @Test("a site that does what it should needs none")
    func well() {
        #expect(attention() == [])
        let busy = attention(transcodes: true) {
            $0.workers = [WorkerHeartbeat(name: "a", time: 1), WorkerHeartbeat(name: "b", time: Self.now - 60)]
            $0.jobs = [.queued: 5, .failed: 3]
            $0.oldestQueuedJobTime = Self.now - 3600
            $0.eventsPending = 2
            $0.oldestPendingEventTime = Self.now - 900
            $0.eventsGivenUp = 7
            $0.checkTime = 5
        }
        #expect(busy == [])
    }

    @Test("a responder that does not answer, or that says that something is wrong")
    func responder() {
        #expect(attention(.silent(cause: "x"))[0].hasPrefix("the responder does not answer (x): start it, `systemctl"))
        #expect(attention(.silent(cause: "x"), site: "b")[0].contains("`systemctl start video-intake@b`"))
        #expect(attention(.refused).count == 1 && attention(.answersOtherwise(status: 409))[0].contains("409"))
        func says(_ text: String) -> [String] { attention(.answers(MetricSamples(text: text))) }
        #expect(says("video_intake_build_info{version=\"1\",schema=\"5\"} 1\nvideo_intake_lost_files_total 0\n") == [])
        #expect(says("video_intake_build_info{version=\"0.9\",schema=\"5\"} 1\n")[0].contains("version 0.9, this is 1"))
        #expect(says("video_intake_sync_failures_total 2\n")[0].contains("2 times"))
        #expect(says("video_intake_lost_files_total 1\n")[0].contains("video-intake check"))
        func refused(_ reason: String, at time: Int64) -> [String] {
            says("video_intake_refusal_timestamp_seconds{reason=\"\(reason)\"} \(time)\n")
        }
        #expect(refused("disk-full", at: Self.now - 800)[0].contains("for want of room"))
        #expect(refused("quota", at: Self.now - 800)[0].contains("a client's share"))
        #expect(refused("quota", at: Self.now - 900) == [] && refused("disk-full", at: 0) == [])
    }

    @Test("no room, no workers, events that nobody takes, findings: each with what to do")
    func catalogue() {
        #expect(attention(room: Room(data: 0, body: nil)).map { $0.prefix(27) } == ["the disk is at its reserve:"])
        #expect(attention(room: Room(data: 1, body: -1))[0].hasPrefix("the disk of request bodies is at its reserve:"))
        #expect(attention(transcodes: true)[0].hasPrefix("no worker runs, though"))
        let dead = attention {
            $0.workers = [WorkerHeartbeat(name: "a", time: Self.now - 61)]
            $0.jobs = [.queued: 1, .running: 1]
        }
        #expect(dead.count == 1 && dead[0].hasPrefix("no worker runs and 2 jobs wait: start one, `systemctl start "))
        #expect(attention { $0.eventsPending = 4 }[0].hasPrefix("no worker runs and 4 events wait"))
        let slow = attention {
            $0.workers = [WorkerHeartbeat(name: "a", time: Self.now)]
            $0.oldestQueuedJobTime = Self.now - 86401
            $0.eventsPending = 1
            $0.oldestPendingEventTime = Self.now - 901
            $0.checkFindings = 2
        }
        #expect(slow.map { $0.prefix(10) } == ["a job has ", "events are", "the last c"])
    }

    @Test("metrics are read as they are written")
    func samples() {
        let text = """
            # HELP video_intake_jobs Jobs.
            # TYPE video_intake_jobs gauge
            video_intake_jobs{state="queued"} 3
            video_intake_jobs{state="done"} 4.5
            video_intake_worker{worker="a \\"b\\" \\\\ {c},\\nd",x="1"} 1e3
            video_intake_plain 7
            video_intake_broken{a="b
            other{a="b"} 1
            """
        let samples = MetricSamples(text: text)
        #expect(samples["jobs"].map(\.value) == [3, 4.5] && samples["jobs"][1].labels == ["state": "done"])
        #expect(samples["worker"] == [.init(labels: ["worker": "a \"b\" \\ {c},\nd", "x": "1"], value: 1000)])
        #expect(samples.value("plain") == 7 && samples["broken"] == [] && samples["other"] == [])
    }
}
