import Foundation

/// What people read: README and the articles.
package enum Documents {
    /// All of it, one after the other.
    package static func text() throws -> String {
        let articles = Repository.directory.appendingPathComponent("Sources/video-intake/video-intake.docc")
        let names = try FileManager.default.contentsOfDirectory(atPath: articles.path).filter { $0.hasSuffix(".md") }
        let readme = Repository.directory.appendingPathComponent("README.md")
        return try ([readme] + names.sorted().map(articles.appendingPathComponent))
            .map { try String(contentsOf: $0, encoding: .utf8) }.joined(separator: "\n")
    }
}
