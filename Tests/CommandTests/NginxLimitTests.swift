import Foundation
import Testing

@testable import video_intake

/// What the program takes for granted of the nginx configuration that comes with it.
@Suite struct NginxLimitTests {
    @Test("the reserve is made for as many requests as nginx lets be under way")
    func requests() throws {
        let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let shipped = try String(
            contentsOf: repository.appendingPathComponent("nginx/snippets/video-intake/upload.conf"), encoding: .utf8)
        let limit = try #require(shipped.firstMatch(of: /\n *limit_conn video_intake_servers (\d+);/)?.1)
        #expect(Int(limit) == NginxFiles.requestsLimit)
    }
}
