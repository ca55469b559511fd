import Foundation

/// `poster.jpg`, and `thumbnails.jpg` with `thumbnails.vtt`.
extension TranscodingJob {
    /// The frame that a poster fits in.
    private static let posterHeight = 720
    /// Small pictures at most, and in a row.
    private static let mostThumbnails = 100
    private static let mostColumns = 10
    /// Seconds of a video from which only key frames are decoded for the small pictures: all others would take as long as
    /// a conversion.
    private static let longDuration = 300.0

    /// Makes a picture that stands for the video: a typical one, not a black one if there is another.
    /// - Parameter file: the video as it was made.
    func makePoster(from file: SourceFile) throws(TranscodingError) {
        let size = information.video.size.fitted(toFrame: Self.posterHeight)
        let scaled = FFmpeg.jpeg(size, of: information.video)
        // Pictures that are at least 10 % other than black.
        let notBlack = ",blackframe=amount=0:threshold=40,metadata=select:key=lavfi.blackframe.pblack:value=90"
        // The one that is most like its neighbours.
        let typical = ",thumbnail=25"
        let attempts = [
            (0.1, notBlack + ":function=less" + typical), (0.5, notBlack + ":function=less" + typical), (0, ""),
        ]
        for (place, choice) in attempts {
            let range = ["-ss", String(format: "%.3f", place * duration), "-t", "20"]
            // ffmpeg 5.1 finds no place in a stream of fragments. Key pictures are read up to there.
            let isStream = file.format == .hls
            try convert(
                for: .poster, .picture, from: file, before: isStream ? ["-skip_frame", "nokey"] : range,
                (isStream ? range : []) + ["-map", "0:V:0"] + FFmpeg.streamsOnly + ["-an", "-vf", scaled + choice]
                    + jpeg(TranscodingResult.posterPath))
            if try isJPEG(TranscodingResult.posterPath) { return }
        }
        throw TranscodingError(.toolFailed, "there is no picture for \(TranscodingResult.posterPath)")
    }

    /// Makes the small pictures for a player's time line, and the file that says which is for what time.
    /// - Parameter file: the video as it was made.
    func makeThumbnails(from file: SourceFile) throws(TranscodingError) -> TranscodingResult.Thumbnails {
        let count = max(1, min(Self.mostThumbnails, Int((duration / profile.thumbnails.interval).rounded(.up))))
        let thumbnails = TranscodingResult.Thumbnails(
            count: count, columns: min(count, Self.mostColumns),
            size: information.video.size.fitted(toSquare: profile.thumbnails.width), interval: duration / Double(count))
        let rows = (count + thumbnails.columns - 1) / thumbnails.columns
        // Each time's picture is the last one before its middle; if some are missing at the end, the last one stands in.
        let filters = [
            "fps=\(String(format: "%.6f", 1 / thumbnails.interval)):start_time=0",
            FFmpeg.jpeg(thumbnails.size, of: information.video),
            "tpad=stop_mode=clone:stop=\(rows * thumbnails.columns)", "tile=\(thumbnails.columns)x\(rows)",
        ]
        try convert(
            for: .thumbnails, .picture, from: file,
            before: duration >= Self.longDuration ? ["-skip_frame", "nokey"] : [],
            ["-map", "0:V:0"] + FFmpeg.streamsOnly + ["-an", "-vf", filters.joined(separator: ",")]
                + jpeg(TranscodingResult.thumbnailsPath))
        guard try isJPEG(TranscodingResult.thumbnailsPath) else {
            throw TranscodingError(.toolFailed, "there is no picture for \(TranscodingResult.thumbnailsPath)")
        }
        try directory.write(cues(thumbnails), to: TranscodingResult.cuesPath)
        return thumbnails
    }

    /// WebVTT with a part of the picture for each time: https://www.w3.org/TR/webvtt1/, and
    /// https://www.w3.org/TR/media-frags/#naming-space.
    private func cues(_ thumbnails: TranscodingResult.Thumbnails) -> String {
        func time(_ seconds: Double) -> String {
            let milliseconds = Int((seconds * 1000).rounded())
            let (minutes, rest) = (milliseconds / 60_000, milliseconds % 60_000)
            return String(format: "%02d:%02d:%02d.%03d", minutes / 60, minutes % 60, rest / 1000, rest % 1000)
        }
        var text = "WEBVTT\n"
        for index in 0..<thumbnails.count {
            let (width, height) = (thumbnails.size.width, thumbnails.size.height)
            let (x, y) = (index % thumbnails.columns * width, index / thumbnails.columns * height)
            text += "\n\(time(Double(index) * thumbnails.interval)) --> "
            text += "\(time(Double(index + 1) * thumbnails.interval))\n"
            text += "\(TranscodingResult.thumbnailsPath)#xywh=\(x),\(y),\(width),\(height)\n"
        }
        return text
    }

    private func jpeg(_ name: String) -> [String] {
        ["-frames:v", "1", "-c:v", "mjpeg", "-q:v", "4", "-f", "image2", "-update", "1", "-y", "file:\(name)"]
    }

    /// Whether a file is there and is a whole JPEG.
    private func isJPEG(_ name: String) throws(TranscodingError) -> Bool {
        do throws(TranscodingError) {
            let bytes = try directory.read(name, limit: 16 << 20)
            return bytes.starts(with: [0xFF, 0xD8]) && bytes.suffix(2) == [0xFF, 0xD9]
        } catch  where error.code == .toolFailed {
            return false
        }
    }
}
