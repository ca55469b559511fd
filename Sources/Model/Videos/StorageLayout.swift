/// What the paths of published files look like. They are relative to the store.
///
///     upload/mp4/YYYY/MM/original/<name>                      a video's file
///     upload/mp4/YYYY/MM/transcoded/<name>/<job>.<claim>/     what a claim of the file's job has made of it
///     upload/mp4/YYYY/MM/transcoded/<name>/                   what was made of it before there were those
package enum StorageLayout {
    /// The directories of all files, and of all that is made of them, a pattern a level.
    package static let originals = months + ["original"]
    package static let transcoded = months + ["transcoded"]
    private static let months: ArraySlice<String> = ["upload", "mp4", "[0-9][0-9][0-9][0-9]", "[0-9][0-9]"]

    /// The path of a file that is published in a month.
    ///
    /// - Parameter name: with its extension, made of checked parts.
    package static func original(year: Int, month: Int, name: String) -> String {
        "upload/mp4/\(year)/\(month < 10 ? "0" : "")\(month)/original/\(name)"
    }

    /// The directory of all that is made of a file, its own. It goes with the file.
    package static func results(ofOriginal path: String) -> String {
        var parts = path.split(separator: "/").map(String.init)
        guard let name = parts.popLast() else { return "" }
        if parts.last == "original" { parts.removeLast() }
        return (parts + ["transcoded", name]).joined(separator: "/")
    }

    /// The directory of what a claim of a job makes. No other claim ever has the same, of whichever job.
    package static func results(of job: Job) -> String { "\(results(ofOriginal: job.path))/\(name(of: job))" }

    /// The file that a directory of `results(ofOriginal:)` belongs to, `nil` if it is none of those.
    package static func original(ofResults path: String) -> String? {
        var parts = path.split(separator: "/").map(String.init)
        guard parts.count > 1, parts[parts.count - 2] == "transcoded" else { return nil }
        parts[parts.count - 2] = "original"
        return parts.joined(separator: "/")
    }

    /// What a published file is.
    package enum Place: Equatable, Sendable {
        /// A video's file.
        case original
        /// Made of one, and in this directory, which is published as a whole.
        case results(in: String)
        /// None of the service's business.
        case other
    }

    package static func place(of path: String) -> Place {
        let parts = path.split(separator: "/")
        guard parts.count >= 6, parts[1] == "mp4" else { return .other }
        switch parts[4] {
        case "original": return .original
        case "transcoded":
            let isClaims = parts.count > 7 && claim(named: parts[6]) != nil
            return .results(in: parts.prefix(isClaims ? 7 : 6).joined(separator: "/"))
        default: return .other
        }
    }

    /// What the directories of a job's present claim are called.
    package static func name(of job: Job) -> String { "\(job.id).\(job.claims)" }

    /// The claim that has made a directory, and the directory of the file; `nil` if it is none's.
    package static func claim(ofResults path: String) -> (above: String, claim: (job: Int64, number: Int))? {
        let parts = path.split(separator: "/")
        guard let claim = parts.last.flatMap(claim(named:)) else { return nil }
        return (parts.dropLast().joined(separator: "/"), claim)
    }

    /// The claim whose directory has this name, `nil` if it is none's.
    package static func claim(named name: some StringProtocol) -> (job: Int64, number: Int)? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let job = Int64(parts[0]), let number = Int(parts[1]), "\(job).\(number)" == name
        else { return nil }
        return (job, number)
    }
}
