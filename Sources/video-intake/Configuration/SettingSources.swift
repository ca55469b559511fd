import Foundation
import Glibc

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
    static func defaultPath(site: String) -> String {
        "/etc/default/video-intake" + (site.isEmpty ? "" : "-\(site)")
    }

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
