import Foundation
import Testing

@testable import video_intake

/// What is made of the table of settings, and what is written beside it.
@Suite struct SettingTableTests {
    private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private func text(_ path: String) throws -> String {
        try String(contentsOf: Self.repository.appendingPathComponent(path), encoding: .utf8)
    }

    @Test("the article has the table as `config describe` prints it")
    func article() throws {
        let lines = try text("Sources/video-intake/video-intake.docc/Configuration.md").split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("|") }.joined(separator: "\n") == Setting.markdown)
    }

    @Test("each default is a value that the setting may have, and is shown as it is read")
    func defaults() {
        var settings = Settings()
        for row in Setting.table {
            let text = row.text(settings)
            #expect(row.set(&settings, text) && row.text(settings) == text, "\(row.name)")
        }
    }

    @Test("each setting but the secret has a flag")
    func flags() throws {
        let names = Setting.table.filter { !$0.isSecret }.map(\.name)
        let arguments = names.flatMap { ["--" + Setting.flag($0), "of \($0)"] }
        let given = try SettingOptions.parse(arguments + ["--site", "b", "--config", "c"]).given
        #expect(
            given
                == Dictionary(uniqueKeysWithValues: names.map { ($0, "of \($0)") } + [("SITE", "b"), ("CONFIG", "c")]))
        #expect(throws: (any Error).self) { try SettingOptions.parse(["--webhook-secret", "0123456789abcdef"]) }
    }

    @Test("what the package's settings file proposes is allowed, in the order of the table")
    func packageFile() throws {
        let proposed = try text("nginx/debian/default").split(separator: "\n").filter { $0.hasPrefix("#VIDEO_INTAKE_") }
            .map { $0.dropFirst().hasSuffix("_SECRET=") ? $0.dropFirst() + "0123456789abcdef" : $0.dropFirst() }
        #expect(proposed.count >= 5)
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(proposed.joined(separator: "\n").utf8).write(to: file)
        let settings = Settings(try SettingSources(flags: [:], file: file.path, site: nil, environment: [:]))
        #expect(settings.errors == [])
        let names = proposed.map { $0.dropFirst("VIDEO_INTAKE_".count).prefix { $0 != "=" } }
        #expect(names.map(String.init) == Setting.names.filter { names.contains($0[...]) })
    }
}
