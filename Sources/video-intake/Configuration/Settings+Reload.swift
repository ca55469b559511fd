/// What SIGHUP changes in a process that runs.
extension Settings {
    /// The other ones are what a process is built of.
    static let reloadable: Set<String> = [
        "LOG_LEVEL", "SIZE_LIMIT", "BODY_LIMIT", "CHUNKS_LIMIT", "UPLOADS_LIMIT", "OWNER_UPLOADS_LIMIT",
        "UPLOAD_LIFETIME", "EXTENSIONS", "VIDEO_DOMAIN", "TIME_ZONE", "RANDOM_PATHS", "HOLD_TIME", "SLOW_TIME",
        "LANGUAGE", "WEBHOOK_URL", "WEBHOOK_SECRET", "WEBHOOK_PRIVATE",
    ]

    /// The names of the settings that differ, in their order.
    func names(differingFrom other: Settings) -> [String] {
        let before = Dictionary(uniqueKeysWithValues: other.effective.map { ($0.name, $0.value) })
        return effective.filter { name, value, _ in
            // Its value is not among those that are shown.
            name.hasSuffix("WEBHOOK_SECRET") ? webhookSecret != other.webhookSecret : before[name] != value
        }.map { String($0.name.dropFirst(SettingSources.prefix.count)) }
    }
}
