/// What is made of a video. A JSON file of this shape, in which everything may be missing; these are the defaults:
///
/// ```json
/// {
///   "outputs": ["mp4", "hls", "poster", "thumbnails"],
///   "preset": "veryfast",
///   "mp4": {"height": 2160, "crf": 21, "videoBitRate": 24000000, "audioBitRate": 160000},
///   "renditions": [
///     {"height": 1080, "crf": 22, "videoBitRate": 5000000, "audioBitRate": 128000},
///     {"height": 720, "crf": 23, "videoBitRate": 2800000, "audioBitRate": 128000},
///     {"height": 480, "crf": 23, "videoBitRate": 1200000, "audioBitRate": 96000}
///   ],
///   "thumbnails": {"interval": 5, "width": 160},
///   "commands": []
/// }
/// ```
///
/// A command is its program and arguments, like
/// `["ffmpeg", "-nostdin", "-i", "file:{input}", "-t", "3", "file:{output}/teaser.gif"]`. It runs after everything else,
/// in the directory that is published, under the same limits and without a network; if it does not end with 0, the video is not published.
/// `{input}` is the path of the uploaded file, `{output}` that of the directory, `{duration}` the seconds of the video. No
/// shell takes part.
package struct TranscodingProfile: Equatable, Sendable {
    package var outputs = Set(Output.allCases)
    /// How much time x264 may take to save bits.
    package var preset = Preset.veryfast
    /// The one file for download and for players without HLS. A video that fits already is copied as it is.
    package var mp4 = Rendition(height: 2160, crf: 21, videoBitRate: 24_000_000, audioBitRate: 160_000)
    /// The qualities of the stream. Those that are larger than the video are left out; if all are, the one with the least
    /// height is made in the video's own size.
    package var renditions = [
        Rendition(height: 1080, crf: 22, videoBitRate: 5_000_000, audioBitRate: 128_000),
        Rendition(height: 720, crf: 23, videoBitRate: 2_800_000, audioBitRate: 128_000),
        Rendition(height: 480, crf: 23, videoBitRate: 1_200_000, audioBitRate: 96_000),
    ]
    package var thumbnails = Thumbnails(interval: 5, width: 160)
    package var commands: [[String]] = []

    package enum Output: String, Decodable, CaseIterable, Sendable {
        /// `video.mp4`.
        case mp4
        /// `hls/master.m3u8` and what belongs to it.
        case hls
        /// `poster.jpg`.
        case poster
        /// `thumbnails.jpg` and `thumbnails.vtt`.
        case thumbnails
    }

    package enum Preset: String, Decodable, CaseIterable, Sendable {
        case ultrafast, superfast, veryfast, faster, fast, medium, slow
    }

    /// One quality.
    package struct Rendition: Hashable, Decodable, Sendable {
        /// Pixels: the height of the 16:9 frame that the picture must fit in, its width if the picture is upright.
        package var height: Int
        /// x264's constant rate factor: less is better and larger; 23 is its default.
        package var crf: Int
        /// Bits per second that the picture does not exceed for long.
        package var videoBitRate: Int
        /// Bits per second.
        package var audioBitRate: Int
    }

    /// The small pictures that a player shows above its time line.
    package struct Thumbnails: Hashable, Decodable, Sendable {
        /// Seconds from one to the next. More for a video that would have over 100.
        package var interval: Double
        /// Pixels of the longer side.
        package var width: Int
    }

    package init() {}
}
