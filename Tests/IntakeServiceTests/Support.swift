import Foundation
import Testing

/// Makes a real video of 2.5 s, of the kind that the file's extension says.
func makeVideo(_ file: URL) throws {
    let ffmpeg = try Process.run(
        URL(fileURLWithPath: "/usr/bin/ffmpeg"),
        arguments: ["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10", "-t", "2.5", file.path])
    ffmpeg.waitUntilExit()
    #expect(ffmpeg.terminationStatus == 0)
}
