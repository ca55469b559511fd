import Foundation

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

    private let flags: [String: String]
    private let environment: [String: String]
    private let file: [String: Found]

    /// - Parameter file: the file's path; by default that in `VIDEO_INTAKE_CONFIG`, or none.
    init(
        flags: [String: String], file path: String?,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(SettingErrors) {
        self.flags = flags
        self.environment = environment
        let unknown = environment.keys.filter { name in
            name.hasPrefix(Self.prefix) && name != Self.prefix + "CONFIG" && !name.hasPrefix(Self.prefix + "TEST_")
                && !Settings.names.contains(String(name.dropFirst(Self.prefix.count)))
        }
        if !unknown.isEmpty {
            throw SettingErrors(lines: unknown.sorted().map { "\($0): \(Self.noSuchSetting)" })
        }
        file = try (path ?? environment[Self.prefix + "CONFIG"]).map(Self.read) ?? [:]
    }

    subscript(name: String) -> Found? {
        if let text = flags[name] {
            return Found(text: text, label: "--" + name.lowercased().replacing("_", with: "-"))
        }
        if let text = environment[Self.prefix + name] {
            return Found(text: text, label: Self.prefix + name)
        }
        return file[name]
    }

    private static let noSuchSetting = "no such setting; there are \(Settings.names.joined(separator: ", "))"

    /// `NAME=value` lines, as systemd's EnvironmentFile has them; `#` begins a comment line.
    private static func read(_ path: String) throws(SettingErrors) -> [String: Found] {
        guard let contents = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw SettingErrors(lines: ["--config \(path): the file cannot be read"])
        }
        var found: [String: Found] = [:]
        var errors: [String] = []
        for (index, line) in contents.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
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
            let short = String(name.dropFirst(prefix.count))
            guard Settings.names.contains(short) else {
                errors.append("\(place): \(name): \(noSuchSetting)")
                continue
            }
            var value = parts[1].trimmingCharacters(in: .whitespaces)
            if value.count >= 2, value.first == "\"", value.last == "\"" {
                value = String(value.dropFirst().dropLast())
            }
            found[short] = Found(text: value, label: "\(place): \(name)")
        }
        if !errors.isEmpty { throw SettingErrors(lines: errors) }
        return found
    }
}
