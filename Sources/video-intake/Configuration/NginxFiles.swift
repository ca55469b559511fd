import Foundation

/// The files of nginx's configuration that came with some version of this program.
enum NginxFiles {
    /// Requests with a body that nginx lets be under way at once: `limit_conn video_intake_servers` of upload.conf.
    static let requestsLimit = 2000

    /// One line about each that is of another version than this program. Files that operators write are none of them.
    static func problems(in directory: String) -> [String] {
        let snippets = "\(directory)/snippets/video-intake"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: snippets)) ?? []
        let paths = names.filter { $0.hasSuffix(".conf") && !$0.hasPrefix("site") && !$0.hasPrefix("login") }.sorted()
            .map { "\(snippets)/\($0)" }
        return (["\(directory)/conf.d/video-intake.conf"] + paths).compactMap { path in
            guard let text = try? String(contentsOfFile: path, encoding: .utf8),
                let first = text.split(separator: "\n").first, first != "# \(ours)"
            else { return nil }
            let other = first.hasPrefix("# video-intake ") ? String(first.dropFirst(2)) : "another version"
            // What dpkg leaves of a file whose old one was to be kept.
            let package = path + ".dpkg-dist"
            let advice =
                FileManager.default.fileExists(atPath: package)
                ? "its own is beside it: mv \(package) \(path)" : "install its own, from the package or the sources"
            return "\(path) is of \(other), this is \(ours): \(advice)"
        }
    }

    private static let ours = "video-intake \(programVersion)"
}
