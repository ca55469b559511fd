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
    /// Seconds that a video may be long: 12 h, and what a recorder adds to them. A longer one is not encoded.
    package var duration = 46_800.0
    /// Seconds that a video may be long whose packets are only copied.
    package var copiedDuration = 7 * 86_400.0
    /// Pixels that a side of the picture may have.
    package var side = 8192
    /// What decoding a video may cost, in pixels (`TranscodingCost.decoding`).
    ///
    /// 2 h of 3840x2160 at 60/s cost up to 4.5e12, 12 h of 1920x1080 at 60/s 5.6e12. 43,000 times the same JPEG of
    /// 8192x8192, half a megabyte as an mp4, would cost 1.4e13.
    package var decoding = 6e12

    /// Seconds of processor time for looking at a file with ffprobe.
    package var probeTime = 30.0
    /// Seconds of processor time that all tools of a video may use whatever the video is.
    package var timeBase = 300.0
    /// How many times more processor time than was measured for a video like it: for slow processors, for two threads that
    /// share a core, for pictures that are harder to encode.
    package var patience = 5.0
    /// Seconds in which a tool must write something or use a second of processor time. The processors may be busy.
    package var stallTime = 900.0
    /// Seconds on the clock for one tool, however busy the machine is.
    package var mostTime = 7 * 86_400.0

    package init() {}

    /// Seconds of processor time for reading so many bytes, which a disk's reads count as in part: 20 MB/s.
    func readingTime(_ bytes: Int) -> Double { timeBase + Double(bytes) / 20e6 }
}
