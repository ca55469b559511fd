/// What one video may cost. The same for all videos; a profile cannot raise them.
package struct TranscodingLimits: Sendable {
    /// Bytes of address space of one tool: its memory, its libraries, its threads' stacks.
    ///
    /// ffmpeg 5.1 of Debian 12 takes up to 1.7 GiB with 2 threads and 2.1 GiB with 4 for three renditions of 1080p at
    /// once, and 2.4 GiB for 2160p; 0.3 GiB of them are its libraries.
    package var memory = 4 << 30
    /// Threads that a decoder, an encoder or a filter may use.
    package var threads = 2
    /// Bytes of one file that a tool writes.
    package var fileSize = 16 << 30
    /// Descriptors that a tool may have.
    package var openFiles = 256
    /// Seconds for looking at a file with ffprobe.
    package var probeTime = 30.0
    /// Seconds for everything else: so many, and so many for each second of the video, but no more than `mostTime`.
    package var timeBase = 120.0
    package var timeFactor = 10.0
    package var mostTime = 86_400.0
    /// Seconds that a video may be long.
    package var duration = 43_200.0
    /// Pixels that a side of the picture may have.
    package var side = 8192

    package init() {}

    /// Seconds for a video of `duration` seconds.
    package func time(forDuration duration: Double) -> Double {
        min(mostTime, timeBase + timeFactor * duration)
    }
}
