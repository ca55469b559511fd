import Model

/// /metrics: what may be held, what is, and what gave way.
extension IntakeService {
    func addLimits(_ exposition: inout Exposition, _ found: CatalogueFigures) {
        let limits = settings.uploadLimits
        exposition.add(
            "uploads_limit", .gauge, "Unfinished uploads that there may be, of all clients and of one.",
            [([("of", "all")], limits.total), ([("of", "client")], limits.perClient)])
        exposition.add("upload_clients", .gauge, "Clients that have unfinished uploads.", found.uploadClients)
        exposition.add(
            "largest_client_uploads", .gauge, "Unfinished uploads of the client that has the most.",
            found.largestUploads)
        exposition.add(
            "largest_client_bytes", .gauge,
            "Bytes received and promised of the unfinished uploads of the client that has the most.",
            found.largestBytes)
        exposition.add(
            "refused_guids", .gauge, "Guids that are refused until they begin anew.",
            found.refusals + refusedGuids.count)
    }

    /// What the process itself knows of limits.
    func addLimits(_ exposition: inout Exposition) {
        exposition.add(
            "ended_uploads_total", .counter,
            "Unfinished uploads that gave way to those of other clients, and those whose life was over.",
            [
                ([("by", "eviction")], log.metrics.evictedUploads.load(ordering: .relaxed)),
                ([("by", "expiry")], log.metrics.expiredUploads.load(ordering: .relaxed)),
            ])
        let addresses = log.proxies.addresses
        exposition.add(
            "proxies_without_real_ip", .gauge,
            "Addresses of proxies that nginx does not know of: shares by address are off for what comes from them.",
            addresses.count)
        exposition.add(
            "proxy_without_real_ip", .gauge, "The first of them.",
            addresses.prefix(16).map { ([("address", $0)], 1) })
    }
}
