import Foundation
import TestSupport
import Testing

/// Makes a real video of 2.5 s, of the kind that the file's extension says.
func makeVideo(_ file: URL) throws {
    let ffmpeg = try Process.run(
        URL(fileURLWithPath: "/usr/bin/ffmpeg"),
        arguments: ["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10", "-t", "2.5", file.path])
    ffmpeg.waitUntilExit()
    #expect(ffmpeg.terminationStatus == 0)
}

extension InProcessSite {
    /// Sends all chunks of a page's file, one after the other. Returns the last reply.
    func sendAll(_ page: PageUpload) throws -> ReceivedReply {
        var reply: ReceivedReply?
        for chunk in 0..<page.chunks { reply = try send(page.request(chunk)) }
        return try #require(reply)
    }
}
