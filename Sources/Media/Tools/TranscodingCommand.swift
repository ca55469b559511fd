/// The commands of a profile: a program and its arguments, with `{name}` for what differs from video to video.
enum TranscodingCommand {
    /// Whether it can be a command: it names a program, and there is a value for each `{name}`.
    static func isValid(_ words: [String]) -> Bool {
        guard let program = words.first, !program.isEmpty, words.count <= 256 else { return false }
        return words.allSatisfy { word in
            !word.utf8.contains(0)
                && word.matches(of: placeholder).allSatisfy { ["input", "output", "duration"].contains($0.1) }
        }
    }

    /// Puts the values in. What is put in is not looked at again.
    static func fill(_ words: [String], with values: [String: String]) -> [String] {
        words.map { $0.replacing(placeholder) { values[String($0.1)] ?? String($0.0) } }
    }

    // It is never changed; its type only does not say so.
    nonisolated(unsafe) private static let placeholder = /{([a-z]+)}/
}
