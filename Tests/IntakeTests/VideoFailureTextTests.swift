import Model
import Foundation
import Testing
import TestSupport

/// What people read of a failure or a flaw: the same in the documents, on the pages and at a terminal.
@Suite struct VideoFailureTextTests {
    private static func file(_ path: String) throws -> String {
        try String(contentsOf: Repository.directory.appendingPathComponent(path), encoding: .utf8)
    }

    /// The pages' texts of one language whose key begins so.
    private static func texts(_ language: String, _ kind: String) throws -> [String: String] {
        let messages = try file("nginx/html/js/messages.js")
        let table = try #require(
            messages.split(separator: "const \(language) = {").last?.split(separator: "\n};").first)
        return Dictionary(
            uniqueKeysWithValues: String(table).matches(of: /'(\w+)\.([a-z-]+)':\s+'([^']+)',/).filter { $0.1 == kind }
                .map { (String($0.2), String($0.3)) })
    }

    @Test(
        "every reason and every flaw has a text in both languages, which the documents show",
        arguments: [
            ("failure", VideoFailure.allCases.map { ($0.rawValue, $0.text) }),
            ("flaw", VideoFlaw.allCases.map { ($0.rawValue, $0.text) }),
        ])
    func texts(kind: String, list: [(name: String, text: String)]) throws {
        let english = try Self.texts("english", kind)
        let chinese = try Self.texts("chinese", kind)
        #expect(english == Dictionary(uniqueKeysWithValues: list.map { ($0.name, $0.text) }))
        #expect(Set(chinese.keys) == Set(list.map(\.name)))
        #expect(chinese.values.allSatisfy { $0.contains(/\p{Han}/) && $0.hasSuffix("。") }, "\(chinese)")
        let rows = list.map { "| `\($0.name)` | \($0.text) | \(chinese[$0.name] ?? "") |" }
        #expect(try Documents.text().contains(rows.joined(separator: "\n")))
        // No two say the same.
        #expect(Set(english.values).count == list.count && Set(chinese.values).count == list.count)
    }
}
