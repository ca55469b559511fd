import Glibc

extension Transcoder {
    /// Makes a video of nothing and looks at it, as a job is done: what a service manager, the kernel or the file system does
    /// not allow is known before the first job. It can be published when this returns; after an error nothing is left.
    ///
    /// - Parameter workDirectory: as `run` has it.
    package func selfTest(in workDirectory: String) throws(TranscodingError) {
        let directory = try ResultDirectory(emptying: workDirectory)
        do throws(TranscodingError) {
            try makeNothing(in: directory)
            _ = try directory.sync()
        } catch {
            try? ResultDirectory.remove(workDirectory)
            throw error
        }
    }

    private func makeNothing(in directory: ResultDirectory) throws(TranscodingError) {
        let tools = ToolRunner(
            limits: limits, walls: walls, source: nil, directory: directory, watch: ToolWatch(limits, limit: 60),
            isCancelled: { false })
        let quality = TranscodingProfile.Rendition(height: 64, crf: 30, videoBitRate: 100_000, audioBitRate: 64_000)
        // Not lavfi, which makes pictures by itself but does not come with every ffmpeg.
        let picture = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", "64x64", "-framerate", "10"]
        let sound = ["-f", "s16le", "-ar", "48000", "-ac", "2"]
        let output = "\(directory.path)/nothing.mp4"
        try tools.run(
            FFmpeg.command + picture + ["-i", "/dev/zero"] + sound + ["-i", "/dev/zero", "-t", "0.2"]
                + FFmpeg.video(quality, preset: .ultrafast, threads: 1) + FFmpeg.audio(quality) + ["file:\(output)"])
        let made = try MediaInformation.of(SourceFile(path: output, format: .mp4), tools)
        guard made.video.codec == "h264", made.audio?.codec == "aac" else {
            throw TranscodingError(.toolFailed, "ffmpeg makes no H.264 and AAC")
        }
    }
}
