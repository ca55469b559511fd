import Foundation
import TestSupport
import Testing
import Model

/// Originals have a type of their own, wherever one is told, for every extension that can be allowed.
@Suite struct PlayableTypesTests {
    private func file(_ path: String) throws -> String {
        try String(contentsOf: Repository.directory.appendingPathComponent(path), encoding: .utf8)
    }

    @Test("nginx sends every kind of file as a video", arguments: VideoFormat.fileExtensions)
    func nginx(fileExtension: String) throws {
        let types = try #require(
            file("nginx/snippets/video-intake/upload.conf").split(separator: "    types {").last?.split(separator: "}")
                .first)
        let type = String(types).matches(of: /\n +(\S+) +([^;#\n]+);/).first {
            $0.2.split(separator: " ").contains(Substring(fileExtension))
        }
        #expect(type?.1.hasPrefix("video/") == true)
    }

    @Test("the play page knows the type of every kind of file", arguments: VideoFormat.fileExtensions)
    func page(fileExtension: String) throws {
        let types = try #require(
            file("nginx/html/play/player.js").split(separator: "const TYPES = {").last?.split(separator: "};").first)
        let known = String(types).matches(of: /'?(\w+)'?: '(video\/[\w-]+)'/).map { String($0.1) }
        #expect(known.contains(fileExtension) && Set(known).count == known.count)
    }
}
