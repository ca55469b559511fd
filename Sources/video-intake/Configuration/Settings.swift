import ChunkStore
import FileStore
import Foundation
import Glibc
import Intake
import Logging
import Model
import Worker

/// The values of all settings, checked. What each is for is in `Setting.table`.
struct Settings {
    /// Processors that this process may use.
    static var processors: Int { ProcessInfo.processInfo.activeProcessorCount }

    /// Which of several sites on the machine it is, `""` for the only one.
    let site: String
    /// The file that was read, `nil` if there is none.
    let file: String?
    var socket = ""
    var threads = max(8, 4 * Settings.processors)
    var dataDirectory = ""
    var reserve = FileChunkStore.Reserve.automatic
    var logLevel = Logger.Level.info
    var intake = IntakeSettings()
    var jobs = WorkerSettings.defaultJobs(processors: Settings.processors)
    var lease = Duration.seconds(60)
    /// `nil` for the built-in one.
    var profile: String?
    /// Empty if there is no receiver of events.
    var webhookSecret = ""
    var allowsPrivateWebhook = false

    /// One line about each setting that is wrong.
    private(set) var errors: [String] = []
    /// Each setting's name, its text, which is `nil` for a secret, and where it comes from.
    private(set) var effective: [(name: String, value: String?, origin: String)] = []

    /// Reads and checks all settings. One that is wrong keeps its default and is in `errors`.
    /// - Parameter sources: `nil` for the defaults.
    init(_ sources: SettingSources? = nil) {
        (site, file) = (sources?.site ?? "", sources?.path)
        for row in Setting.table {
            row.reset(&self)
            var origin = "default"
            if let found = sources?[row.name] {
                if row.set(&self, found.text) {
                    origin = found.label
                } else {
                    errors.append("\(found.label): \(row.shown(found.text)) is not allowed: it must be \(row.allowed)")
                    origin = "default, because \(found.label) is wrong"
                }
            }
            let text = row.text(self)
            effective.append((SettingSources.prefix + row.name, row.isSecret && !text.isEmpty ? nil : text, origin))
        }
        if intake.webhookURL != nil, sources?["WEBHOOK_SECRET"]?.text ?? "" == "" {
            errors.append(
                "\(SettingSources.prefix)WEBHOOK_SECRET must be set where WEBHOOK_URL is, in the environment or in the "
                    + "file that --config names: at least \(Setting.secretLength) bytes that the receiver knows too; "
                    + "`openssl rand -hex 32` makes some")
        }
    }

    /// What this site's names end in.
    var suffix: String { site.isEmpty ? "" : "-\(site)" }

    /// Where nginx puts request bodies.
    var bodyDirectory: String {
        get { intake.bodyDirectory ?? "" }
        set { intake.bodyDirectory = newValue }
    }

    /// The settings that differ, in their order.
    func rows(differingFrom other: Settings) -> [Setting] { Setting.table.filter { $0.text(self) != $0.text(other) } }
}

// MARK: - A setting

/// A row of the table of settings, all that there is to say of one: flags, names in the environment and the file,
/// checks, help, the manual page and the article are made of it.
struct Setting: Sendable {
    /// As the file has it, without `VIDEO_INTAKE_`.
    let name: String
    /// What a text must be.
    let allowed: String
    /// The default where it depends on the machine or on another setting.
    let defaultInWords: String?
    /// Whether its value is never shown. It has no flag: everybody on the machine can read the arguments of a process.
    let isSecret: Bool
    /// Whether SIGHUP changes it in a process that runs. The other ones are what a process is built of.
    let isReloadable: Bool
    /// What its flag has for the value in the help; `nil`: the flag's name.
    let valueName: String?
    let help: String
    /// What the article has to say beside, in Markdown.
    let note: String
    /// Sets the value to its default, which may depend on the rows above.
    let reset: @Sendable (inout Settings) -> Void
    /// Sets the value; `false` if the text is not allowed, and nothing is changed.
    let set: @Sendable (inout Settings, String) -> Bool
    /// The value as text.
    let text: @Sendable (Settings) -> String
    private let mayHidePassword: @Sendable (String) -> Bool

    /// - Parameters:
    ///   - path: where its value is.
    ///   - other: the default, if it is not what is there at first.
    init<Value>(
        _ name: String, _ path: WritableKeyPath<Settings, Value> & Sendable, _ kind: SettingKind<Value>,
        default other: (@Sendable (Settings) -> Value)? = nil, defaultInWords: String? = nil,
        isSecret: Bool = false, isReloadable: Bool = false, valueName: String? = nil, help: String, note: String = ""
    ) {
        (self.name, allowed, mayHidePassword) = (name, kind.allowed, kind.mayHidePassword)
        (self.defaultInWords, self.isSecret, self.isReloadable) = (defaultInWords, isSecret, isReloadable)
        (self.valueName, self.help, self.note) = (valueName, help, note)
        reset = { if let other { $0[keyPath: path] = other($0) } }
        set = {
            guard let value = kind.parse($1) else { return false }
            $0[keyPath: path] = value
            return true
        }
        text = { kind.print($0[keyPath: path]) }
    }

    static let names = table.map(\.name)

    /// The name as a flag, without its dashes.
    static func flag(_ name: String) -> String { name.lowercased().replacing("_", with: "-") }

    /// What a message calls a text that is not allowed.
    func shown(_ text: String) -> String { isSecret || mayHidePassword(text) ? "what it is set to" : "\"\(text)\"" }
}

// MARK: - The table

extension Setting {
    private static let (kibibyte, mebibyte, gibibyte) = (1 << 10, 1 << 20, 1 << 30)

    // swift-format-ignore
    /// All of them, in the order in which they are read and shown.
    static let table: [Setting] = [
        Setting("SOCKET", \.socket,
            SettingKind("a path of 1 to 107 bytes", \.self) { (1...107).contains($0.utf8.count) ? $0 : nil },
            default: { "/run/video-intake\($0.suffix)/video-intake.sock" },
            help: "The unix socket to listen on; ignored if a listening socket is inherited.",
            note: "Its mode is 0660; systemd and spawn-fcgi let one be inherited."),
        Setting("THREADS", \.threads, .integer(1...1024), defaultInWords: "4 per processor, at least 8",
            help: "Requests that are served at the same time."),
        Setting("DATA_DIRECTORY", \.dataDirectory, .path, default: { "/var/lib/video-intake\($0.suffix)" },
            help: "Where videos, unfinished uploads and the catalogue are kept."),
        Setting("BODY_DIRECTORY", \.bodyDirectory, .path,
            default: { $0.dataDirectory + "/body" }, defaultInWords: "`body` in the data directory",
            help: "Where nginx puts request bodies.", note: "The same as `client_body_temp_path`."),
        Setting("VIDEO_DOMAIN", \.intake.videoDomain, .origin, isReloadable: true,
            help: "What stands before /upload/… in a video's address, like https://video.example.com",
            note: "Empty: `video_url` is `/upload/…`."),
        Setting("BODY_LIMIT", \.intake.bodyLimit, .size(64 * kibibyte...gibibyte, like: "5M"), isReloadable: true,
            help: "The largest request body, like 5M; the same as nginx's client_max_body_size.",
            note: "Change it in `upload.conf` too."),
        Setting("SIZE_LIMIT", \.intake.sizeLimit, .size(mebibyte...1024 * gibibyte, like: "2G"), isReloadable: true,
            help: "The largest video, like 2G."),
        Setting("CHUNKS_LIMIT", \.intake.chunksLimit, .integer(1...1_000_000), isReloadable: true,
            help: "The most chunks that a video may have."),
        Setting("EXTENSIONS", \.intake.extensions,
            SettingKind(
                "some of \(VideoFormat.fileExtensions.joined(separator: ",")), separated by commas",
                { $0.joined(separator: ",") },
                parse: {
                    let list = $0.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
                    return list.isEmpty || !Set(list).isSubset(of: VideoFormat.fileExtensions) ? nil : list
                }), isReloadable: true,
            help: "The file name extensions that are taken, separated by commas.",
            note: "[The content](Contract.md#what-is-a-video) is looked at too."),
        Setting("TIME_ZONE", \.intake.timeZone,
            SettingKind("a time zone like Asia/Shanghai", \.identifier) { TimeZone(identifier: $0) },
            defaultInWords: "the system's", isReloadable: true,
            help: "The time zone of times in replies and of months in paths, like Asia/Shanghai."),
        Setting("RANDOM_PATHS", \.intake.hasRandomPaths, .yesOrNo, isReloadable: true,
            help: "yes: the addresses of videos cannot be guessed, by 22 random characters in each.",
            note: "[Below](#limits-and-owners)."),
        Setting("DURABILITY", \.intake.durability,
            SettingKind("process or power", \.rawValue, parse: Durability.init(rawValue:)),
            help: "What an acknowledged chunk survives: process (a crash of anything here) or power (power loss).",
            note: "[Durability](Durability.md)."),
        Setting("RESERVE", \.reserve, .reserve,
            help: "Free space that uploads leave, like 10G; auto is 1G or 5 %, and up to 5 % for bodies.",
            note: "Of 1G and 5 % of the file system `auto` is the larger."),
        Setting("UPLOADS_LIMIT", \.intake.uploadLimits.total, .integer(1...1_000_000), isReloadable: true,
            help: "The most unfinished uploads, of all clients together.",
            note: "When there are as many, the client with the most gives way to one with fewer."),
        Setting("OWNER_UPLOADS_LIMIT", \.intake.uploadLimits.perClient, .integer(1...1_000_000),
            default: { $0.intake.uploadLimits.total }, defaultInWords: "as `UPLOADS_LIMIT`", isReloadable: true,
            help: "The most unfinished uploads of one client: an owner, or without owners an address."),
        Setting("UPLOAD_LIFETIME", \.intake.uploadLifetime, .hours(1...8760), isReloadable: true,
            help: "Hours that an unfinished upload is kept after its last chunk."),
        Setting("HOLD_TIME", \.intake.holdTime, .milliseconds(0...10_000), isReloadable: true,
            help: "Milliseconds that a chunk's reply may wait for the completion of a nearly whole file."),
        Setting("SLOW_TIME", \.intake.slowTime, .milliseconds(0...3_600_000), isReloadable: true,
            help: "Milliseconds after which a request is a warning in the log; 0: none is."),
        Setting("CACHE_TIME", \.intake.cacheTime, .milliseconds(1...60_000),
            help: "Milliseconds that determine_video_exist may miss a video which another responder has stored.",
            note: "What this one has stored it sees at once."),
        Setting("TRANSCODE", \.intake.queuesTranscoding, .yesOrNo,
            help: "Whether finished videos are queued for transcoding: yes or no.",
            note: "Without a worker the queue only grows."),
        Setting("JOBS", \.jobs, .integer(1...256), defaultInWords: "processors − 1, at least 1",
            help: "Jobs that a worker does at the same time (processors - 1)."),
        Setting("PROFILE", \.profile, .orEmpty(.path), valueName: "file",
            help: "A JSON file that says what a worker makes of a video.",
            note: "Empty: all of it ([transcoding](Transcoding.md))."),
        Setting("LEASE_TIME", \.lease, .seconds(2...3600),
            help: "Seconds after which another worker takes the job of one that has died."),
        Setting("WEBHOOK_URL", \.intake.webhookURL, .orEmpty(.address), isReloadable: true,
            help: "Where to tell what happens to videos, like https://cms.example.com/videos; empty: nowhere.",
            note: "Then no events are written either ([webhooks](Webhooks.md))."),
        Setting("WEBHOOK_SECRET", \.webhookSecret,
            SettingKind("at least \(secretLength) bytes long", \.self) {
                (1..<secretLength).contains($0.utf8.count) ? nil : $0
            },
            isSecret: true, isReloadable: true, help: "Signs what is told.",
            note: "Needed if `WEBHOOK_URL` is set. `config check` does not print it."),
        Setting("WEBHOOK_PRIVATE", \.allowsPrivateWebhook, .yesOrNo, isReloadable: true,
            help: "Whether that may be on this machine or in a private network: yes or no."),
        Setting("LANGUAGE", \.intake.language, .choice, isReloadable: true,
            help: "What msg of replies is written in: zh (Chinese) or en (English).", note: "Some of the log, too."),
        Setting("LOG_LEVEL", \.logLevel, .choice, isReloadable: true,
            help: "trace, debug, info, notice, warning, error or critical."),
    ]

    /// Bytes. Shorter ones can be guessed.
    static let secretLength = 16
}

extension SettingKind where Value == FileChunkStore.Reserve {
    fileprivate static var reserve: Self {
        let size = SettingKind<Int>.size(0...1 << 40, like: "10G")
        return Self("auto, or \(size.allowed)") {
            if case .bytes(let bytes) = $0 { size.print(bytes) } else { "auto" }
        } parse: {
            $0 == "auto" ? .automatic : size.parse($0).map(FileChunkStore.Reserve.bytes)
        }
    }
}

// MARK: - Where they come from

/// One line about each setting that is wrong.
struct SettingErrors: Error {
    let lines: [String]
}

/// Where settings come from: flags, then the environment, then one file.
struct SettingSources {
    static let prefix = "VIDEO_INTAKE_"

    /// A setting's text and where it was found.
    struct Found {
        let text: String
        /// What to call it in a message: `--threads`, `VIDEO_INTAKE_THREADS`, `FILE line 3: VIDEO_INTAKE_THREADS`.
        let label: String
    }

    /// Which site's defaults count; empty for those of a machine that has only one.
    let site: String
    /// The file that was read, `nil` if there is none.
    let path: String?
    private let found: [String: Found]

    /// Where settings are if nobody names another file, so that all commands look at the same catalogue as the service.
    static func defaultPath(site: String) -> String { "/etc/default/video-intake" + (site.isEmpty ? "" : "-\(site)") }

    /// - Parameters:
    ///   - path: the file's path; by default that in `VIDEO_INTAKE_CONFIG`, or the site's own.
    ///   - site: the site's name; by default that in `VIDEO_INTAKE_SITE`.
    init(
        flags: [String: String], file path: String?, site: String?,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(SettingErrors) {
        var variables = environment.filter { $0.key.hasPrefix(Self.prefix) && !$0.key.hasPrefix(Self.prefix + "TEST_") }
        let named = (
            file: variables.removeValue(forKey: Self.prefix + "CONFIG"),
            site: variables.removeValue(forKey: Self.prefix + "SITE")
        )
        let unknown = variables.keys.filter { !Setting.names.contains(Self.short($0)) }
        if !unknown.isEmpty {
            throw SettingErrors(lines: unknown.sorted().map { "\($0): \(Self.noSuchSetting)" })
        }
        self.site = site ?? named.site ?? ""
        guard self.site.wholeMatch(of: /[A-Za-z0-9_-]{0,32}/) != nil, site != "" else {
            let label = site == nil ? Self.prefix + "SITE" : "--site"
            throw SettingErrors(
                lines: ["\(label): \"\(self.site)\" is not allowed: it must be 1 to 32 letters, digits, _ and -"])
        }
        let own = Self.defaultPath(site: self.site)
        let isMissing = self.site.isEmpty && access(own, F_OK) != 0 && errno == ENOENT
        self.path = path ?? named.file ?? (isMissing ? nil : own)
        let isSites = path ?? named.file == nil && !self.site.isEmpty
        var found =
            try self.path.map { path throws(SettingErrors) in
                try Self.read(path, isSites ? "the settings file of the site" : "the settings file")
            } ?? [:]
        for (name, text) in variables { found[Self.short(name)] = Found(text: text, label: name) }
        for (name, text) in flags { found[name] = Found(text: text, label: "--" + Setting.flag(name)) }
        self.found = found
    }

    subscript(name: String) -> Found? { found[name] }

    /// A setting's name without the prefix.
    private static func short(_ name: String) -> String { String(name.dropFirst(prefix.count)) }

    private static let noSuchSetting = "no such setting; there are \(Setting.names.joined(separator: ", "))"

    /// `NAME=value` lines, as systemd's EnvironmentFile has them; `#` begins a comment line.
    private static func read(_ path: String, _ what: String) throws(SettingErrors) -> [String: Found] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let remedy = errno == EACCES ? "; run this as root or as www-data" : ""
            throw SettingErrors(lines: ["\(path), \(what): \(String(cString: strerror(errno)))\(remedy)"])
        }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        guard let bytes = try? file.readToEnd() ?? Data(), let contents = String(data: bytes, encoding: .utf8) else {
            throw SettingErrors(lines: ["\(path), \(what): it is no file of UTF-8 text"])
        }
        var found: [String: Found] = [:]
        var errors: [String] = []
        for (index, line) in contents.split(
            // Swift takes "\r\n" for one character.
            omittingEmptySubsequences: false, whereSeparator: { $0 == "\n" || $0 == "\r\n" }
        ).enumerated() {
            let line = line.trimmingCharacters(in: .whitespaces)
            if line.isEmpty || line.hasPrefix("#") { continue }
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = parts[0].trimmingCharacters(in: .whitespaces)
            let place = "\(path) line \(index + 1)"
            guard parts.count == 2, name.hasPrefix(prefix) else {
                // Not the line itself: it may have a secret in it.
                errors.append("\(place): must be \(prefix)<NAME>=value")
                continue
            }
            guard Setting.names.contains(short(name)) else {
                errors.append("\(place): \(name): \(noSuchSetting)")
                continue
            }
            var value = parts[1].trimmingCharacters(in: .whitespaces)
            if value.count >= 2, value.first == "\"", value.last == "\"" {
                value = String(value.dropFirst().dropLast())
            }
            found[short(name)] = Found(text: value, label: "\(place): \(name)")
        }
        if !errors.isEmpty { throw SettingErrors(lines: errors) }
        return found
    }
}
