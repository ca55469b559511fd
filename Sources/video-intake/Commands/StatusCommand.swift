import ArgumentParser
import Catalogue
import SQLiteCatalogue
import ChunkStore
import Foundation
import Glibc
import Intake
import System
import Model

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show how the site does, and what needs attention.",
        discussion: """
            Asks the responder for its figures, and reads the catalogue itself, so that it says what it can when nothing \
            answers. Exits with 0 if all is well, with 1 if something needs attention: the last lines say what to do. Run it \
            as root, or as the user of `serve`.
            """)

    @Flag(help: "Print a JSON object for programs.") var json = false
    @OptionGroup var options: SettingOptions

    func run() throws {
        let settings = try options.settings()
        let status = settings.status
        let output = CommandOutput(settings: settings, isJSON: json)
        output.show(json: status.json(settings), status.lines(output))
        let attention = status.attention
        if attention.isEmpty { return }
        if !json {
            print()
            for line in attention { print(line.printable()) }
        }
        throw ExitCode(1)
    }
}

extension Settings {
    /// How the site of these settings does.
    fileprivate var status: ServiceStatus {
        ServiceStatus(
            version: programVersion, responder: responder, catalogue: figures, room: room,
            queuesTranscoding: intake.queuesTranscoding, site: site, now: Int64(Date().timeIntervalSince1970))
    }

    private var responder: ServiceStatus.Responder {
        do throws(ResponderClient.Silence) {
            let answer = try ResponderClient.get("/metrics", socket: socket)
            return answer.status == 200
                ? .answers(MetricSamples(text: answer.body)) : .answersOtherwise(status: answer.status)
        } catch {
            return error.code == EACCES ? .refused : .silent(cause: "\(socket): \(error.cause)")
        }
    }

    private var figures: ServiceStatus.Known<CatalogueFigures> {
        if let missingCatalogue { return .unknown(cause: missingCatalogue) }
        do throws(CatalogueError) {
            return .value(try SQLiteCatalogue.figures(path: cataloguePath))
        } catch {
            return .unknown(cause: error.description)
        }
    }

    private var room: ServiceStatus.Known<Room> {
        // Opening a store makes what is missing of it.
        if let missingCatalogue { return .unknown(cause: missingCatalogue) }
        do {
            return .value(try openStore().room())
        } catch {
            return .unknown(cause: "\(error)")
        }
    }
}

// MARK: - For people

extension ServiceStatus {
    /// What there is to say, by name.
    fileprivate func lines(_ output: CommandOutput) -> [(name: String, value: String?)] {
        var lines: [(name: String, value: String?)] = [("data", output.settings.dataDirectory)]
        switch responder {
        case .answers(let metrics):
            let running = metrics["build_info"].first?.labels["version"] ?? "?"
            let uptime = metrics.value("start_time_seconds").map { ", for \(Self.time(now - Int64($0)))" } ?? ""
            lines.append(("responder", "answers, version \(running)\(uptime)"))
            lines.append(("requests", requests.isEmpty ? "none" : requests.joined(separator: "\n")))
            if let memory = metrics.value("memory_limit_bytes") {
                lines.append(("memory", "at most \(Self.bytes(Int(memory))) by the settings"))
            }
        case .answersOtherwise(let status): lines.append(("responder", "answers with \(status)"))
        case .silent(let cause): lines.append(("responder", "does not answer: \(cause)"))
        case .refused: lines.append(("responder", "may not be asked by this user"))
        }
        switch room {
        case .value(let room):
            let body = room.body.map { ", \(Self.bytes($0)) for request bodies" } ?? ""
            let promised = catalogue.value.map { ", \(Self.bytes($0.promisedBytes)) of it promised" } ?? ""
            lines.append(("room", "\(Self.bytes(room.data)) above the reserve\(promised)\(body)"))
        case .unknown(let cause): lines.append(("room", "unknown: \(cause)"))
        }
        lines.append(("tools", tools.isEmpty ? nil : tools.joined(separator: "\n")))
        switch catalogue {
        case .value(let figures): lines += self.lines(figures, output)
        case .unknown(let cause): lines.append(("catalogue", "cannot be read: \(cause)"))
        }
        return lines
    }

    private func lines(_ figures: CatalogueFigures, _ output: CommandOutput) -> [(name: String, value: String?)] {
        let queued = figures.queuedClients > 1 ? " of \(figures.queuedClients) clients" : ""
        let jobs = Job.State.allCases.map {
            "\(figures.jobs[$0] ?? 0) \($0.rawValue)\($0 == .queued ? queued : "")"
        }.joined(separator: ", ")
        let waiting = figures.oldestQueuedJobTime.map { "; the oldest waits for \(Self.time(now - $0))" } ?? ""
        let workers = figures.workers.map { worker in
            "\(worker.name), \(isAlive(worker) ? "" : "does not run any more: ")heard of \(Self.time(now - worker.time)) ago"
                + Self.capacity(worker.capacity)
        }
        let pending = figures.oldestPendingEventTime.map { "; the oldest waits for \(Self.time(now - $0))" } ?? ""
        return [
            (
                "uploads",
                figures.openUploads == 0
                    ? "none unfinished"
                    : "\(figures.openUploads) unfinished, \(Self.bytes(figures.receivedBytes)) received, "
                        + "\(Self.bytes(figures.promisedBytes)) to come"
            ),
            ("clients", clients(figures, uploadLimits ?? output.settings.intake.uploadLimits)),
            ("jobs", jobs + waiting),
            ("workers", workers.isEmpty ? "none" : workers.joined(separator: "\n")),
            ("events", "\(figures.eventsPending) to be delivered, \(figures.eventsGivenUp) given up ever\(pending)"),
            (
                "last check",
                figures.checkTime == 0
                    ? "never" : "\(output.time(figures.checkTime)), \(figures.checkFindings) findings left"
            ),
        ]
    }

    /// What keeps the tools in that work on media from strangers.
    private var tools: [String] {
        func text(_ walls: [(wall: String, by: String)]) -> String {
            walls.map { "\($0.wall) \($0.by)" }.joined(separator: ", ")
        }
        let probe = probeWalls.isEmpty ? [] : ["ffprobe kept in by: \(text(probeWalls))"]
        return probe + (workerWalls.map { ["ffmpeg kept in by: \(text($0.list))"] } ?? [])
    }

    private var evictedUploads: Double? {
        metrics?["ended_uploads_total"].first { $0.labels["by"] == "eviction" }?.value
    }

    /// What clients hold, beside their limits.
    private func clients(_ figures: CatalogueFigures, _ limits: UploadLimits) -> String {
        let evicted = evictedUploads.map { ", \(Int($0)) uploads gave way" } ?? ""
        return
            "\(figures.uploadClients) with unfinished uploads, at most \(limits.perClient) each and \(limits.total) in "
            + "all; the largest holds \(figures.largestUploads), or \(Self.bytes(figures.largestBytes)); "
            + "\(figures.refusals) guids refused\(evicted)"
    }

    private var requestCounts: [MetricSamples.Sample] { (metrics?["requests_total"] ?? []).filter { $0.value > 0 } }

    /// A line for each action but this one: how many requests had which code, with its reason.
    private var requests: [String] {
        let actions = Dictionary(grouping: requestCounts.filter { $0.labels["action"] != "metrics" }) {
            $0.labels["action"] ?? "?"
        }
        return actions.sorted { $0.key < $1.key }.map { action, samples in
            let counts = samples.sorted { $0.value > $1.value }.map { sample in
                let reason = sample.labels["reason"] ?? ""
                return "\(Int(sample.value)) code \(sample.labels["code"] ?? "?")\(reason.isEmpty ? "" : " \(reason)")"
            }
            return "\(action): \(counts.joined(separator: ", "))"
        }
    }

    private static func bytes(_ bytes: Int) -> String { (bytes < 0 ? "-" : "") + sizeText(abs(bytes)) }

    private static func capacity(_ capacity: WorkerCapacity) -> String {
        if capacity.slots == 0 { return "" }
        return "; \(capacity.slots) at a time and a short one, \(bytes(capacity.memory)) of memory"
    }

    /// Like `3 d 4 h`, `5 min` or `12 s`.
    private static func time(_ seconds: Int64) -> String {
        let units: [(name: String, seconds: Int64)] = [("d", 86400), ("h", 3600), ("min", 60), ("s", 1)]
        let seconds = max(0, seconds)
        guard let index = units.firstIndex(where: { seconds >= $0.seconds }) else { return "0 s" }
        let (first, rest) = seconds.quotientAndRemainder(dividingBy: units[index].seconds)
        let text = "\(first) \(units[index].name)"
        guard index < units.count - 2, case let second = rest / units[index + 1].seconds, second > 0 else {
            return text
        }
        return text + " \(second) \(units[index + 1].name)"
    }
}

// MARK: - For programs

extension ServiceStatus {
    /// Names as in the metrics; sizes are bytes, times seconds since 1970. What is not known is null.
    fileprivate func json(_ settings: Settings) -> JSONObject {
        let (figures, limits) = (catalogue.value, uploadLimits ?? settings.intake.uploadLimits)
        let room = room.value
        let free: JSONObject = ["data": room?.data, "body": room?.body]
        var jobs = JSONObject()
        jobs.add("queued", figures.map { $0.jobs[.queued] ?? 0 })
        jobs.add("running", figures.map { $0.jobs[.running] ?? 0 })
        jobs.add("done", figures.map { $0.jobs[.done] ?? 0 })
        jobs.add("failed", figures.map { $0.jobs[.failed] ?? 0 })
        let responder = metrics.map(Self.json(ofResponder:))
        let requests = requestCounts.map(Self.json(ofRequests:))
        let proxies = (metrics?["proxy_without_real_ip"] ?? []).compactMap { $0.labels["address"] }
        let workers = (figures?.workers ?? []).map(Self.json(ofWorker:))
        let (probe, tools) = (Self.json(ofWalls: probeWalls), Self.json(ofWalls: workerWalls?.list ?? []))
        return [
            "attention": attention, "version": version, "data_directory": settings.dataDirectory,
            "socket": settings.socket, "responder": responder,
            "requests": requests, "free_bytes_above_reserve": free,
            "open_uploads": figures?.openUploads, "upload_received_bytes": figures?.receivedBytes,
            "upload_promised_bytes": figures?.promisedBytes, "uploads_limit": limits.total,
            "client_uploads_limit": limits.perClient, "upload_clients": figures?.uploadClients,
            "largest_client_uploads": figures?.largestUploads, "largest_client_bytes": figures?.largestBytes,
            "refused_guids": figures?.refusals, "evicted_uploads": evictedUploads,
            "proxies_without_real_ip": proxies, "jobs": jobs, "oldest_queued_job_time": figures?.oldestQueuedJobTime,
            "queued_job_clients": figures?.queuedClients, "jobs_over_budget": figures?.jobsOverBudget,
            "workers": workers, "events_pending": figures?.eventsPending,
            "oldest_pending_event_time": figures?.oldestPendingEventTime, "events_given_up": figures?.eventsGivenUp,
            "check_time": figures?.checkTime, "check_findings": figures?.checkFindings,
            "ffprobe_walls": probe, "ffmpeg_walls": tools,
        ]
    }

    private static func json(ofResponder metrics: MetricSamples) -> JSONObject {
        let (version, start) = (metrics["build_info"].first?.labels["version"], metrics.value("start_time_seconds"))
        let (failures, lost) = (metrics.value("sync_failures_total"), metrics.value("lost_files_total"))
        return ["version": version, "start_time": start, "sync_failures": failures, "lost_files": lost]
    }

    private static func json(ofWorker worker: WorkerHeartbeat) -> JSONObject {
        [
            "name": worker.name, "heartbeat_time": worker.time, "slots": worker.capacity.slots,
            "memory_bytes": worker.capacity.memory,
        ]
    }

    private static func json(ofWalls walls: [(wall: String, by: String)]) -> [JSONObject] {
        walls.map { ["wall": $0.wall, "by": $0.by] }
    }

    private static func json(ofRequests sample: MetricSamples.Sample) -> JSONObject {
        let (labels, code) = (sample.labels, sample.labels["code"].flatMap { Int64($0) })
        return ["action": labels["action"], "code": code, "reason": labels["reason"], "count": sample.value]
    }
}
