import FileStore
import ChunkStore
import Foundation
import Intake
import Logging
import Model
import Worker

/// Every setting, checked.
struct Settings {
    /// Which of several sites on the machine it is, `""` for the only one.
    let site: String
    var socket = "/run/video-intake/video-intake.sock"
    var threads = max(8, 4 * ProcessInfo.processInfo.activeProcessorCount)
    var dataDirectory = "/var/lib/video-intake"
    var reserve = FileChunkStore.Reserve.automatic
    var logLevel = Logger.Level.info
    var intake = IntakeSettings()
    /// Jobs that a worker does at the same time.
    var jobs = WorkerSettings.defaultJobs(processors: Settings.processors)
    /// Seconds until another worker takes a job whose worker has died.
    var lease: Int64 = 60
    /// The file of the transcoding profile, `nil` for the built-in one.
    var profile: String?
    /// What the receiver of events knows them by; empty if there is none.
    var webhookSecret = ""
    /// Whether the receiver of events may be on this machine or in a private network.
    var allowsPrivateWebhook = false

    static let names = [
        "SOCKET", "THREADS", "DATA_DIRECTORY", "BODY_DIRECTORY", "VIDEO_DOMAIN", "BODY_LIMIT", "SIZE_LIMIT",
        "CHUNKS_LIMIT", "EXTENSIONS", "TIME_ZONE", "RANDOM_PATHS", "DURABILITY", "RESERVE", "UPLOADS_LIMIT",
        "OWNER_UPLOADS_LIMIT", "UPLOAD_LIFETIME", "HOLD_TIME", "SLOW_TIME", "CACHE_TIME", "TRANSCODE", "JOBS",
        "PROFILE", "LEASE_TIME", "WEBHOOK_URL", "WEBHOOK_SECRET", "WEBHOOK_PRIVATE", "LANGUAGE", "LOG_LEVEL",
    ]

    /// Reads and checks all settings. One that is wrong keeps its default and is in `errors`.
    init(_ sources: SettingSources) {
        var reader = SettingReader(sources: sources)
        site = sources.site
        if !site.isEmpty {
            socket = "/run/video-intake-\(sources.site)/video-intake.sock"
            dataDirectory = "/var/lib/video-intake-\(sources.site)"
        }
        file = sources.path
        reader.read("SOCKET", \.self, "a path of 1 to 107 bytes", into: &socket) {
            (1...107).contains($0.utf8.count) ? $0 : nil
        }
        reader.read("THREADS", \.description, "a whole number from 1 to 1024", into: &threads) {
            Int($0).flatMap { (1...1024).contains($0) ? $0 : nil }
        }
        reader.read("DATA_DIRECTORY", \.self, "an absolute path", into: &dataDirectory, Self.absolutePath)
        intake.bodyDirectory = dataDirectory + "/body"
        reader.read(
            "BODY_DIRECTORY", { $0 ?? "" }, "an absolute path", into: &intake.bodyDirectory
        ) { Self.absolutePath($0).map(Optional.some) }
        reader.read("VIDEO_DOMAIN", \.self, "empty, or http:// or https:// and a host", into: &intake.videoDomain) {
            let text = $0.hasSuffix("/") ? String($0.dropLast()) : $0
            return text.isEmpty || Self.isAddress(text) ? text : nil
        }
        let mebibyte = 1024 * 1024
        reader.read(
            "BODY_LIMIT", Self.size, "a size from 64K to 1G, like 5M", into: &intake.bodyLimit
        ) { Self.size($0, in: 64 * 1024...1024 * mebibyte) }
        reader.read(
            "SIZE_LIMIT", Self.size, "a size from 1M to 1024G, like 2G", into: &intake.sizeLimit
        ) { Self.size($0, in: mebibyte...1024 * 1024 * mebibyte) }
        reader.read("CHUNKS_LIMIT", \.description, "a whole number from 1 to 1000000", into: &intake.chunksLimit) {
            Int($0).flatMap { (1...1_000_000).contains($0) ? $0 : nil }
        }
        reader.read(
            "EXTENSIONS", { $0.joined(separator: ",") },
            "some of \(VideoFormat.fileExtensions.joined(separator: ",")), separated by commas",
            into: &intake.extensions
        ) {
            let list = $0.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
            return list.isEmpty || list.contains { !VideoFormat.fileExtensions.contains($0) } ? nil : list
        }
        reader.read("TIME_ZONE", \.identifier, "a time zone like Asia/Shanghai", into: &intake.timeZone) {
            TimeZone(identifier: $0)
        }
        reader.read(
            "RANDOM_PATHS", { $0 ? "yes" : "no" }, "yes or no", into: &intake.hasRandomPaths
        ) { ["yes": true, "no": false][$0] }
        reader.read("DURABILITY", \.rawValue, "process or power", into: &intake.durability, Durability.init(rawValue:))
        reader.read("RESERVE", Self.reserve, "auto, or a size from 0 to 1024G, like 10G", into: &reserve) {
            $0 == "auto"
                ? .automatic
                : Self.size($0, in: 0...1024 * 1024 * mebibyte).map(FileChunkStore.Reserve.bytes)
        }
        reader.read(
            "UPLOADS_LIMIT", \.description, "a whole number from 1 to 1000000", into: &intake.uploadLimits.total
        ) { Int($0).flatMap { (1...1_000_000).contains($0) ? $0 : nil } }
        intake.uploadLimits.perClient = intake.uploadLimits.total
        reader.read(
            "OWNER_UPLOADS_LIMIT", \.description, "a whole number from 1 to 1000000",
            into: &intake.uploadLimits.perClient
        ) { Int($0).flatMap { (1...1_000_000).contains($0) ? $0 : nil } }
        reader.read(
            "UPLOAD_LIFETIME", { "\(Int($0 / .seconds(3600)))" }, "a whole number of hours from 1 to 8760",
            into: &intake.uploadLifetime
        ) { Int($0).flatMap { (1...8760).contains($0) ? .seconds($0 * 3600) : nil } }
        reader.read(
            "HOLD_TIME", { "\(Int($0 / .milliseconds(1)))" }, "a whole number of milliseconds from 0 to 10000",
            into: &intake.holdTime
        ) { Int($0).flatMap { (0...10000).contains($0) ? .milliseconds($0) : nil } }
        reader.read(
            "SLOW_TIME", { "\(Int($0 / .milliseconds(1)))" }, "a whole number of milliseconds from 0 to 3600000",
            into: &intake.slowTime
        ) { Int($0).flatMap { (0...3_600_000).contains($0) ? .milliseconds($0) : nil } }
        reader.read(
            "CACHE_TIME", { "\(Int($0 / .milliseconds(1)))" }, "a whole number of milliseconds from 1 to 60000",
            into: &intake.cacheTime
        ) { Int($0).flatMap { (1...60000).contains($0) ? .milliseconds($0) : nil } }
        reader.read(
            "TRANSCODE", { $0 ? "yes" : "no" }, "yes or no", into: &intake.queuesTranscoding
        ) { ["yes": true, "no": false][$0] }
        readWorker(&reader)
        readWebhook(&reader)
        reader.read(
            "LANGUAGE", \.rawValue, "one of \(Language.allCases.map(\.rawValue).joined(separator: ", "))",
            into: &intake.language
        ) { Language(rawValue: $0.lowercased()) }
        reader.read(
            "LOG_LEVEL", \.rawValue, "one of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))",
            into: &logLevel
        ) { Logger.Level(rawValue: $0.lowercased()) }
        effective = reader.effective
        errors = reader.errors
    }

    private mutating func readWorker(_ reader: inout SettingReader) {
        reader.read("JOBS", \.description, "a whole number from 1 to 256", into: &jobs) {
            Int($0).flatMap { (1...256).contains($0) ? $0 : nil }
        }
        reader.read(
            "PROFILE", { $0 ?? "" }, "empty, or an absolute path", into: &profile
        ) { $0.isEmpty ? .some(nil) : Self.absolutePath($0).map(Optional.some) }
        reader.read("LEASE_TIME", \.description, "a whole number of seconds from 2 to 3600", into: &lease) {
            Int64($0).flatMap { (2...3600).contains($0) ? $0 : nil }
        }
    }

    private mutating func readWebhook(_ reader: inout SettingReader) {
        reader.read(
            "WEBHOOK_URL", { $0 ?? "" },
            "empty, or http:// or https:// and a host, without spaces and without user:password@",
            into: &intake.webhookURL, isSecret: { $0.contains("@") && !Self.isPlainAddress($0) }
        ) { $0.isEmpty ? .some(nil) : Self.isPlainAddress($0) ? .some($0) : nil }
        reader.read(
            "WEBHOOK_SECRET", \.self, "at least \(Self.secretLength) bytes long", into: &webhookSecret,
            isSecret: { !$0.isEmpty }
        ) { $0.isEmpty || $0.utf8.count >= Self.secretLength ? $0 : nil }
        reader.read(
            "WEBHOOK_PRIVATE", { $0 ? "yes" : "no" }, "yes or no", into: &allowsPrivateWebhook
        ) { ["yes": true, "no": false][$0] }
        if intake.webhookURL != nil, reader.sources["WEBHOOK_SECRET"]?.text ?? "" == "" {
            let name = SettingSources.prefix + "WEBHOOK_SECRET"
            reader.errors.append(
                "\(name) must be set where WEBHOOK_URL is, in the environment or in the file that --config names: at "
                    + "least \(Self.secretLength) bytes that the receiver knows too; `openssl rand -hex 32` makes some")
        }
    }

    /// Bytes. Shorter ones can be guessed.
    private static let secretLength = 16

    /// The file that was read, `nil` if there is none.
    let file: String?

    /// One line about each setting that is wrong.
    private(set) var errors: [String] = []

    /// Each setting's name, its text, which is `nil` if it is nobody's business, and where it comes from.
    private(set) var effective: [(name: String, value: String?, origin: String)] = []

    private static func isAddress(_ text: String) -> Bool {
        guard let url = URL(string: text) else { return false }
        return ["http", "https"].contains(url.scheme) && url.host?.isEmpty == false
    }

    /// Whether it is an address that can be sent as it is, and that has no password in it.
    private static func isPlainAddress(_ text: String) -> Bool {
        isAddress(text) && URL(string: text)?.user == nil
            && !text.unicodeScalars.contains { $0.properties.isWhitespace || $0.value < 0x20 || $0.value == 0x7f }
    }

    private static func absolutePath(_ text: String) -> String? {
        guard text.hasPrefix("/"), !text.utf8.contains(0) else { return nil }
        return text.count > 1 && text.hasSuffix("/") ? String(text.dropLast()) : text
    }

    private static func reserve(_ reserve: FileChunkStore.Reserve) -> String {
        switch reserve {
        case .automatic: "auto"
        case .bytes(let bytes): size(bytes)
        }
    }

    /// Bytes as text, with the largest unit that divides them.
    private static func size(_ bytes: Int) -> String {
        var (value, units) = (bytes, ["", "K", "M", "G"][...])
        while value != 0, value % 1024 == 0, units.count > 1 {
            value /= 1024
            units = units.dropFirst()
        }
        return "\(value)\(units.first!)"
    }

    /// Text like `5M` or `5242880` as bytes.
    private static func size(_ text: String, in range: ClosedRange<Int>) -> Int? {
        var digits = text.uppercased()
        var factor = 1
        if let unit = digits.last, let power = ["K": 1, "M": 2, "G": 3][unit] {
            digits.removeLast()
            factor = 1 << (10 * power)
        }
        guard let number = Int(digits) else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: factor)
        return !overflow && range.contains(bytes) ? bytes : nil
    }
}

/// Reads one setting after the other and collects what is wrong.
private struct SettingReader {
    let sources: SettingSources
    var errors: [String] = []
    var effective: [(name: String, value: String?, origin: String)] = []

    /// - Parameters:
    ///   - allowed: what the text must be.
    ///   - isSecret: whether a text must not be shown.
    mutating func read<Value>(
        _ name: String, _ text: (Value) -> String, _ allowed: String, into value: inout Value,
        isSecret: (String) -> Bool = { _ in false }, _ parse: (String) -> Value?
    ) {
        var origin = "default"
        if let found = sources[name] {
            if let parsed = parse(found.text) {
                value = parsed
                origin = found.label
            } else {
                let wrong = isSecret(found.text) ? "what it is set to" : "\"\(found.text)\""
                errors.append("\(found.label): \(wrong) is not allowed: it must be \(allowed)")
                origin = "default, because \(found.label) is wrong"
            }
        }
        let shown = text(value)
        effective.append((SettingSources.prefix + name, isSecret(shown) ? nil : shown, origin))
    }
}
