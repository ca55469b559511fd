import Model
import Catalogue
import ChunkStore
import LoadingCache
import Logging
import Synchronization
import System

/// /metrics and /healthz: what a monitor asks.
extension IntakeService {
    func metricsReply() -> Reply {
        var metrics = Exposition()
        addRequests(&metrics)
        // What cannot be found out is left out: the rest may tell why.
        do throws(CatalogueError) {
            let figures = try catalogue.figures()
            addCatalogue(&metrics, figures)
            addLimits(&metrics, figures)
        } catch {
            log.logger.error("cannot look into the catalogue for /metrics", metadata: ["cause": "\(error)"])
        }
        if let room = try? store.room() {
            metrics.add(
                "free_bytes_above_reserve", "Free bytes that uploads may still take; negative: too few are free.",
                [([("file_system", "data")], room.data)] + (room.body.map { [([("file_system", "body")], $0)] } ?? []))
        }
        metrics.add(
            "memory_limit_bytes", "Bytes that the responder takes at most, as its settings have it.", limits.memory)
        metrics.add("open_files_limit", "Files of unfinished uploads that it keeps open at most.", limits.openUploads)
        addProbes(&metrics)
        addLimits(&metrics)
        addFaults(&metrics)
        return Reply(code: 1, message: "ok", text: metrics.text, contentType: Exposition.contentType)
    }

    private func addRequests(_ exposition: inout Exposition) {
        exposition.add(
            "build_info", "The running version and the schema of its catalogue.",
            [([("version", version), ("schema", "\(catalogue.schema)")], 1)])
        exposition.add(
            "start_time_seconds", "When the responder started, in seconds since 1970.", log.metrics.startTime)
        exposition.add(
            "requests_total", "Requests answered by the responder; reason is empty for codes above 0.",
            log.metrics.requestCounts.map { entry in
                let labels = [
                    ("action", entry.action.rawValue), ("code", "\(entry.code)"),
                    ("reason", entry.reason?.rawValue ?? ""),
                ]
                return (labels, entry.count)
            })
        exposition.add(
            "refusal_timestamp_seconds",
            "When a request was last refused for want of room or share, in seconds since 1970; 0: never.",
            log.refusals.times.map { ([("reason", $0.reason.rawValue)], $0.time) })
        exposition.add(
            "received_body_bytes_total", "Bytes of request bodies that were read.",
            log.metrics.receivedBodyBytes.load(ordering: .relaxed))
        exposition.add(
            "chunk_seconds", "Time until the reply to a chunk that was stored while others were missing.",
            log.metrics.chunkSeconds)
        exposition.add(
            "completion_seconds", "Time until the reply to a request whose file was complete.",
            log.metrics.completionSeconds)
    }

    private func addCatalogue(_ exposition: inout Exposition, _ found: CatalogueFigures) {
        func age(_ time: Int64?) -> Int64 { time.map { max(0, now - $0) } ?? 0 }
        exposition.add("open_uploads", "Unfinished uploads.", found.openUploads)
        exposition.add("upload_received_bytes", "Bytes that unfinished uploads have received.", found.receivedBytes)
        exposition.add(
            "upload_promised_bytes", "Bytes that unfinished uploads have announced and that are still to come.",
            found.promisedBytes)
        exposition.add(
            "jobs", "Transcoding jobs.", Job.State.allCases.map { ([("state", $0.rawValue)], found.jobs[$0] ?? 0) })
        exposition.add(
            "oldest_queued_job_age_seconds", "How long the oldest queued job has waited.",
            age(found.oldestQueuedJobTime))
        exposition.add("queued_job_clients", "Clients that have queued jobs, who take turns.", found.queuedClients)
        exposition.add(
            "jobs_over_budget_total", "Jobs that failed because their videos cost more than one may.",
            found.jobsOverBudget)
        exposition.add(
            "worker_slots", "Jobs that a worker does at the same time, not counting one more that is short.",
            found.workers.map { ([("worker", $0.name)], $0.capacity.slots) })
        exposition.add(
            "worker_heartbeat_timestamp_seconds", "When a worker had its last heartbeat, in seconds since 1970.",
            found.workers.map { ([("worker", $0.name)], $0.time) })
        exposition.add("events_pending", "Events that are still to be delivered.", found.eventsPending)
        exposition.add(
            "oldest_pending_event_age_seconds", "How old the oldest of them is.", age(found.oldestPendingEventTime))
        exposition.add("events_given_up_total", "Events that were never delivered.", found.eventsGivenUp)
        exposition.add(
            "check_timestamp_seconds", "When `check` last ended, in seconds since 1970; 0: never.", found.checkTime)
        exposition.add("check_findings", "What the last `check` found and did not repair.", found.checkFindings)
    }

    private func addProbes(_ exposition: inout Exposition) {
        let counts = durations.counts
        exposition.add(
            "probes", "Files whose duration is found out by ffprobe.",
            [([("state", "running")], counts.running), ([("state", "waiting")], counts.waiting)])
        exposition.add(
            "sandbox_wall", "What keeps ffprobe in: 1 by what is named, 0 if there is nothing.",
            SandboxWalls.present.list.map { ([("wall", $0.wall), ("by", $0.by)], $0.by == "none" ? 0 : 1) })
    }

    private func addFaults(_ exposition: inout Exposition) {
        exposition.add(
            "sync_failures_total",
            "Failed calls of the responder to bring bytes to the medium; those of workers fail their jobs.",
            log.metrics.syncFailures.load(ordering: .relaxed))
        exposition.add(
            "lost_files_total", "Files that were found missing, each once.",
            log.metrics.lostFiles.load(ordering: .relaxed))
        let caches = videos.statistics + [("uploads", uploads.statistics)]
        func add(_ name: String, _ help: String, _ value: (CacheStatistics) -> Int) {
            exposition.add("cache_\(name)_total", help, caches.map { ([("cache", $0.name)], value($0.statistics)) })
        }
        add("hits", "Lookups that found a value.", \.hits)
        add("misses", "Lookups that found none.", \.misses)
        add("loads", "Values that were looked up in the catalogue.", \.loads)
    }

    /// What may be held, and what is.
    private func addLimits(_ exposition: inout Exposition, _ found: CatalogueFigures) {
        let limits = settings.uploadLimits
        exposition.add(
            "uploads_limit", "Unfinished uploads that there may be, of all clients and of one.",
            [([("of", "all")], limits.total), ([("of", "client")], limits.perClient)])
        exposition.add("upload_clients", "Clients that have unfinished uploads.", found.uploadClients)
        exposition.add(
            "largest_client_uploads", "Unfinished uploads of the client that has the most.", found.largestUploads)
        exposition.add(
            "largest_client_bytes",
            "Bytes received and promised of the unfinished uploads of the client that has the most.",
            found.largestBytes)
        exposition.add(
            "refused_guids", "Guids that are refused until they begin anew.", found.refusals + refusedGuids.count)
    }

    /// What the process itself knows of limits.
    private func addLimits(_ exposition: inout Exposition) {
        exposition.add(
            "ended_uploads_total",
            "Unfinished uploads that gave way to those of other clients, and those whose life was over.",
            [
                ([("by", "eviction")], log.metrics.evictedUploads.load(ordering: .relaxed)),
                ([("by", "expiry")], log.metrics.expiredUploads.load(ordering: .relaxed)),
            ])
        let addresses = log.proxies.addresses
        exposition.add(
            "proxies_without_real_ip",
            "Addresses of proxies that nginx does not know of: shares by address are off for what comes from them.",
            addresses.count)
        exposition.add(
            "proxy_without_real_ip", "The first of them.", addresses.prefix(16).map { ([("address", $0)], 1) })
    }

    // MARK: - /healthz

    func healthReply(_ call: Call) -> Reply {
        call.exchange.asksWhetherReady ? readiness.reply(call.settings.language) : Reply(code: 1, message: "ok")
    }

    private var readiness: Readiness {
        if isStopping { return .stopping }
        do throws(StoreError) {
            try store.checkRoom(for: 0)
        } catch {
            return error.reason == .diskFull ? .diskFull : .unavailable
        }
        return writability.answer
    }
}
