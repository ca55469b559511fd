import ChunkStore
import System
import Model

/// The state of a site: what `status` shows, and what needs attention.
package struct ServiceStatus: Sendable {
    /// What the responder says of itself.
    package enum Responder: Equatable, Sendable {
        case answers(MetricSamples)
        /// Something else answers there.
        case answersOtherwise(status: Int)
        case silent(cause: String)
        /// This user may not ask.
        case refused
    }

    /// What can be known or not.
    package enum Known<Value: Sendable>: Sendable {
        case value(Value)
        case unknown(cause: String)

        package var value: Value? { if case .value(let value) = self { value } else { nil } }
    }

    /// Of this program.
    package let version: String
    package let responder: Responder
    package let catalogue: Known<CatalogueFigures>
    private let roomBySettings: Known<Room>
    /// Whether videos are queued for transcoding.
    package let queuesTranscoding: Bool
    /// Which of several sites on the machine it is, `""` for the only one.
    package let site: String
    /// Seconds since 1970.
    package let now: Int64

    package init(
        version: String, responder: Responder, catalogue: Known<CatalogueFigures>, room: Known<Room>,
        queuesTranscoding: Bool, site: String, now: Int64
    ) {
        self.version = version
        self.responder = responder
        self.catalogue = catalogue
        roomBySettings = room
        self.queuesTranscoding = queuesTranscoding
        self.site = site
        self.now = now
    }

    /// What systemd calls the responder, or the worker.
    private func unit(_ name: String) -> String { site.isEmpty ? name : "\(name)@\(site)" }

    /// Bytes above the reserve: as the responder has them, or else as the settings of this command have them.
    package var room: Known<Room> {
        func bytes(_ fileSystem: String) -> Int? {
            metrics?["free_bytes_above_reserve"].first { $0.labels["file_system"] == fileSystem }.map { Int($0.value) }
        }
        return bytes("data").map { .value(Room(data: $0, body: bytes("body"))) } ?? roomBySettings
    }

    /// What the responder says, if it does.
    package var metrics: MetricSamples? {
        if case .answers(let samples) = responder { samples } else { nil }
    }

    /// What there may be of unfinished uploads, as the responder has it.
    package var uploadLimits: UploadLimits? {
        func limit(_ of: String) -> Int? {
            metrics?["uploads_limit"].first { $0.labels["of"] == of }.map { Int($0.value) }
        }
        guard let total = limit("all"), let perClient = limit("client") else { return nil }
        return UploadLimits(total: total, perClient: perClient)
    }

    /// What keeps ffprobe in, of the responder: what each wall is made of.
    package var probeWalls: [(wall: String, by: String)] {
        (metrics?["sandbox_wall"] ?? []).map { ($0.labels["wall"] ?? "?", $0.labels["by"] ?? "?") }
    }

    /// What keeps ffmpeg in, of the worker that started last; `nil` if that is not known.
    package var workerWalls: SandboxWalls? { (catalogue.value?.workerWalls).map { SandboxWalls(code: $0) } }

    package func isAlive(_ worker: WorkerHeartbeat) -> Bool { worker.isAlive(now: now) }

    /// Seconds that an event may wait before something is wrong with its receiver.
    private static let eventPatience: Int64 = 15 * 60
    /// Seconds that a job may wait before there are too few workers.
    private static let jobPatience: Int64 = 24 * 3600
    /// Seconds for which a refusal needs attention.
    private static let refusalTime: Int64 = 15 * 60

    // MARK: - Attention

    /// What is wrong, and what to do about it: a line for each; none if all is well.
    package var attention: [String] { responderAttention + roomAttention + catalogueAttention + wallAttention }

    private var wallAttention: [String] {
        func line(_ tool: String, _ walls: [(wall: String, by: String)], _ service: String) -> [String] {
            let missing = walls.filter { $0.by == "none" }.map(\.wall)
            guard !missing.isEmpty else { return [] }
            return [
                "\(tool) is not kept in (\(missing.joined(separator: ", "))): the kernel, or SystemCallFilter= and "
                    + "RestrictNamespaces= of the unit, must allow it; `journalctl -u \(unit(service))`"
            ]
        }
        return line("ffprobe", probeWalls, "video-intake")
            + line("ffmpeg", workerWalls?.list ?? [], "video-intake-worker")
    }

    private var responderAttention: [String] {
        switch responder {
        case .silent(let cause):
            return [
                "the responder does not answer (\(cause)): start it, `systemctl start \(unit("video-intake"))`; "
                    + "`journalctl -u \(unit("video-intake"))` says why it ended"
            ]
        case .refused:
            return ["the responder may not be asked by this user: run this as root, or as the user of `serve`"]
        case .answersOtherwise(let status):
            return [
                "the responder answers with \(status) and no figures: it has no catalogue, or is of another version; "
                    + "`journalctl -u \(unit("video-intake"))` says which"
            ]
        case .answers(let metrics):
            var lines: [String] = []
            if let running = metrics["build_info"].first?.labels["version"], running != version {
                lines.append(
                    "the responder is version \(running), this is \(version): restart it, "
                        + "`systemctl restart \(unit("video-intake"))`")
            }
            if let failures = metrics.value("sync_failures_total"), failures > 0 {
                lines.append(
                    "the disk did not take what was written, \(Int(failures)) times since the responder started: look at "
                        + "`dmesg` and at the disk")
            }
            lines += metrics["proxy_without_real_ip"].compactMap { $0.labels["address"] }.map {
                "a proxy at \($0) hides the addresses of clients, which have no shares of their own: add "
                    + "`\(ProxyWatch.remedy($0))` to nginx's server and reload it"
            }
            lines += refusalAttention(metrics)
            if let lost = metrics.value("lost_files_total"), lost > 0 {
                lines.append(
                    "files of videos are not there, \(Int(lost)) since the responder started: `video-intake check` names "
                        + "them; the same video, uploaded again, brings its file back. Then restart the responder, and this "
                        + "line goes")
            }
            return lines
        }
    }

    private func refusalAttention(_ metrics: MetricSamples) -> [String] {
        metrics["refusal_timestamp_seconds"].compactMap { sample in
            guard now - Int64(sample.value) < Self.refusalTime else { return nil }
            let journal = "`journalctl -u \(unit("video-intake")) -p warning` says whose they were, and why"
            return sample.labels["reason"] == FailureReason.diskFull.rawValue
                ? "uploads were refused for want of room within the last quarter of an hour: delete videos "
                    + "(`video-intake video delete`), move the data to a larger disk, or lower VIDEO_INTAKE_RESERVE and "
                    + "restart; \(journal)"
                : "uploads were refused because a client's share was used up, within the last quarter of an hour: \(journal)"
        }
    }

    private var roomAttention: [String] {
        guard let room = room.value else { return [] }
        var lines: [String] = []
        if room.data <= 0 {
            lines.append(
                "the disk is at its reserve: new uploads are refused; delete videos (`video-intake video delete`), move the "
                    + "data to a larger disk, or lower VIDEO_INTAKE_RESERVE and restart")
        }
        if let body = room.body, body <= 0 {
            lines.append(
                "the disk of request bodies is at its reserve: new uploads are refused; free some of it, or put "
                    + "VIDEO_INTAKE_BODY_DIRECTORY on the data's disk")
        }
        return lines
    }

    private var catalogueAttention: [String] {
        switch catalogue {
        case .unknown(let cause): return ["the catalogue cannot be read: \(cause)"]
        case .value(let figures):
            let waiting = (figures.jobs[.queued] ?? 0) + (figures.jobs[.running] ?? 0)
            var lines: [String] = []
            if !figures.workers.contains(where: isAlive) {
                let start = "start one, `systemctl start \(unit("video-intake-worker"))`"
                if waiting > 0 {
                    lines.append("no worker runs and \(waiting) jobs wait: \(start)")
                } else if figures.eventsPending > 0 {
                    lines.append("no worker runs and \(figures.eventsPending) events wait: \(start)")
                } else if queuesTranscoding {
                    lines.append("no worker runs, though VIDEO_INTAKE_TRANSCODE is yes: \(start)")
                }
            } else if let oldest = figures.oldestQueuedJobTime, now - oldest > Self.jobPatience {
                lines.append(
                    "a job has waited for more than a day: run more workers, or give them more processors "
                        + "(VIDEO_INTAKE_JOBS)")
            }
            if let oldest = figures.oldestPendingEventTime, now - oldest > Self.eventPatience {
                lines.append(
                    "events are not taken, \(figures.eventsPending) wait: is their receiver up? "
                        + "`journalctl -u \(unit("video-intake-worker"))` says how it answers")
            }
            if figures.checkFindings > 0 {
                lines.append(
                    "the last check left \(figures.checkFindings) findings: `video-intake check` shows them, and what "
                        + "--repair would do")
            }
            return lines
        }
    }
}
