import ArgumentParser

/// The flags of the settings. All are text here: `Settings` checks them in the same way wherever they come from.
struct SettingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A file of VIDEO_INTAKE_<NAME>=value lines; /dev/null for none (/etc/default/video-intake, if it exists).",
            valueName: "file"))
    var config: String?

    @Option(
        help: ArgumentHelp(
            "One of several sites on this machine: its own settings file, data directory and socket end in -<name>.",
            valueName: "name"))
    var site: String?

    @Option(help: "The unix socket to listen on; ignored if a listening socket is inherited.")
    var socket: String?

    @Option(help: "Requests that are served at the same time.")
    var threads: String?

    @Option(help: "Where videos, unfinished uploads and the catalogue are kept.")
    var dataDirectory: String?

    @Option(help: "Where nginx puts request bodies.")
    var bodyDirectory: String?

    @Option(help: "What stands before /upload/… in a video's address, like https://video.example.com")
    var videoDomain: String?

    @Option(help: "The largest request body, like 5M; the same as nginx's client_max_body_size.")
    var bodyLimit: String?

    @Option(help: "The largest video, like 2G.")
    var sizeLimit: String?

    @Option(help: "The most chunks that a video may have.")
    var chunksLimit: String?

    @Option(help: "The file name extensions that are taken, separated by commas.")
    var extensions: String?

    @Option(help: "The time zone of times in replies and of months in paths, like Asia/Shanghai.")
    var timeZone: String?

    @Option(help: "yes: the addresses of videos cannot be guessed, by 22 random characters in each.")
    var randomPaths: String?

    @Option(help: "What an acknowledged chunk survives: process (a crash of anything here) or power (power loss).")
    var durability: String?

    @Option(help: "Free space that uploads leave, like 10G; auto is 1G or 5 %, and up to 5 % for bodies.")
    var reserve: String?

    @Option(help: "The most unfinished uploads, of all clients together.")
    var uploadsLimit: String?

    @Option(help: "The most unfinished uploads of one client: an owner, or without owners an address.")
    var ownerUploadsLimit: String?

    @Option(help: "Hours that an unfinished upload is kept after its last chunk.")
    var uploadLifetime: String?

    @Option(help: "Milliseconds that a chunk's reply may wait for the completion of a nearly whole file.")
    var holdTime: String?

    @Option(help: "Milliseconds after which a request is a warning in the log; 0: none is.")
    var slowTime: String?

    @Option(
        help: "Milliseconds that determine_video_exist may miss a video which another responder has stored.")
    var cacheTime: String?

    @Option(help: "Whether finished videos are queued for transcoding: yes or no.")
    var transcode: String?

    @Option(help: "Jobs that a worker does at the same time (processors - 1).")
    var jobs: String?

    @Option(help: ArgumentHelp("A JSON file that says what a worker makes of a video.", valueName: "file"))
    var profile: String?

    @Option(help: "Seconds after which another worker takes the job of one that has died.")
    var leaseTime: String?

    @Option(help: "Where to tell what happens to videos, like https://cms.example.com/videos; empty: nowhere.")
    var webhookURL: String?

    // No flag for the secret: everybody on the machine can read the arguments of a process.
    @Option(help: "Whether that may be on this machine or in a private network: yes or no.")
    var webhookPrivate: String?

    @Option(help: "What msg of replies is written in: zh (Chinese) or en (English).")
    var language: String?

    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel: String?

    /// The flags that were given, by the setting's name.
    var given: [String: String] {
        [
            "SOCKET": socket, "THREADS": threads, "DATA_DIRECTORY": dataDirectory, "BODY_DIRECTORY": bodyDirectory,
            "VIDEO_DOMAIN": videoDomain, "BODY_LIMIT": bodyLimit, "SIZE_LIMIT": sizeLimit,
            "CHUNKS_LIMIT": chunksLimit, "EXTENSIONS": extensions, "TIME_ZONE": timeZone,
            "RANDOM_PATHS": randomPaths, "DURABILITY": durability,
            "RESERVE": reserve, "UPLOADS_LIMIT": uploadsLimit, "OWNER_UPLOADS_LIMIT": ownerUploadsLimit,
            "UPLOAD_LIFETIME": uploadLifetime, "HOLD_TIME": holdTime, "SLOW_TIME": slowTime, "CACHE_TIME": cacheTime,
            "TRANSCODE": transcode, "JOBS": jobs, "PROFILE": profile, "LEASE_TIME": leaseTime,
            "WEBHOOK_URL": webhookURL, "WEBHOOK_PRIVATE": webhookPrivate, "LANGUAGE": language, "LOG_LEVEL": logLevel,
        ].compactMapValues(\.self)
    }

    /// The settings in effect.
    ///
    /// - Throws: exit code 64 after one line about each wrong setting on standard error.
    func settings() throws -> Settings {
        let settings = try uncheckedSettings()
        try Self.complain(about: settings.errors)
        return settings
    }

    /// The settings in effect; those that are wrong are in `errors`.
    ///
    /// - Throws: exit code 64 if the file cannot be understood.
    func uncheckedSettings() throws -> Settings {
        do throws(SettingErrors) {
            return try read()
        } catch {
            try Self.complain(about: error.lines)
            throw ExitCode(64)
        }
    }

    /// Reads all sources, again if need be.
    func read() throws(SettingErrors) -> Settings {
        Settings(try SettingSources(flags: given, file: config, site: site))
    }

    static func complain(about lines: [String]) throws {
        for line in lines { video_intake.complain(line) }
        if !lines.isEmpty { throw ExitCode(64) }
    }
}
