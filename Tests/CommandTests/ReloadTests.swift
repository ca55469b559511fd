import Testing

@testable import Intake
@testable import video_intake

/// What a SIGHUP changes, as a process says of itself, and as the service does.
@Suite struct ReloadTests {
    /// For each setting a text that is not its default.
    private static let other = [
        "SOCKET": "/tmp/socket", "THREADS": "1000", "DATA_DIRECTORY": "/tmp/data", "BODY_DIRECTORY": "/tmp/body",
        "VIDEO_DOMAIN": "https://video.example.com", "BODY_LIMIT": "6M", "SIZE_LIMIT": "3G", "CHUNKS_LIMIT": "17",
        "EXTENSIONS": "flv", "TIME_ZONE": "Pacific/Apia", "RANDOM_PATHS": "yes", "DURABILITY": "power",
        "RESERVE": "17M", "UPLOADS_LIMIT": "17", "OWNER_UPLOADS_LIMIT": "17", "UPLOAD_LIFETIME": "17",
        "HOLD_TIME": "17", "SLOW_TIME": "17", "CACHE_TIME": "17", "TRANSCODE": "yes", "JOBS": "200",
        "PROFILE": "/tmp/profile.json", "LEASE_TIME": "17", "WEBHOOK_URL": "https://cms.example.com/",
        "WEBHOOK_SECRET": "0123456789abcdef", "WEBHOOK_PRIVATE": "yes", "LANGUAGE": "en", "LOG_LEVEL": "error",
    ]

    private func settings(_ flags: [String: String] = [:]) throws -> Settings {
        Settings(try SettingSources(flags: flags, file: "/dev/null", site: nil, environment: [:]))
    }

    /// All that there is of it.
    private func text(_ settings: IntakeSettings) -> String { String(describing: settings) }

    @Test("the service takes over what the process says that it need not be restarted for, and nothing else")
    func sameSettings() throws {
        let old = try settings()
        var elsewhere: Set<String> = []
        for row in Setting.table {
            let name = row.name
            let new = try settings([name: try #require(Self.other[name], "\(name) needs a text here")])
            #expect(new.rows(differingFrom: old).map(\.name).contains(name))
            guard text(new.intake) != text(old.intake) else {
                if row.isReloadable { elsewhere.insert(name) }
                continue
            }
            let isTaken = text(old.intake.reloaded(from: new.intake)) != text(old.intake)
            #expect(isTaken == row.isReloadable, "\(name)")
        }
        // Not the service's business.
        #expect(elsewhere == ["LOG_LEVEL", "WEBHOOK_SECRET", "WEBHOOK_PRIVATE"])
    }
}
