import ChunkStore
import System

/// `video.mp4`: the video in one file.
extension TranscodingJob {
    func makeMP4() throws(TranscodingError) -> TranscodingResult.MP4 {
        let video = information.video
        let fits =
            video.isPlayedEverywhere && video.size.scale(toFrame: profile.mp4.height) >= 1
            && max(video.codedSize.width, video.codedSize.height) <= 4096 && video.level <= 52
        let copiesVideo = source.demuxer.hasTimestamps && fits
        let copiesAudio = source.demuxer.hasTimestamps && information.audio?.codec == "aac"
        let result: TranscodingResult.MP4
        do throws(TranscodingError) {
            result = try makeMP4(copiesVideo: copiesVideo, copiesAudio: copiesAudio)
        } catch
            where (copiesVideo || copiesAudio) && !error.isOverBudget
            && (error.code == .toolFailed || error.code == .unsupported)
        {
            // A stream that does not say what it is, or whose packets cannot be moved.
            logger.notice("a copied stream did not come out right; encoding it", metadata: ["cause": "\(error)"])
            result = try makeMP4(copiesVideo: false, copiesAudio: false)
        }
        finish(.mp4)
        return result
    }

    private func makeMP4(copiesVideo: Bool, copiesAudio: Bool) throws(TranscodingError) -> TranscodingResult.MP4 {
        let video = information.video
        let size = copiesVideo ? video.size : video.size.fitted(toFrame: profile.mp4.height)
        let path = TranscodingResult.mp4Path
        var arguments = ["-map", "0:V:0"] + (information.audio == nil ? [] : ["-map", "0:a:0"]) + FFmpeg.streamsOnly
        if copiesVideo {
            arguments += ["-c:v", "copy"]
        } else {
            arguments += ["-vf", FFmpeg.filters(video, to: size)]
            arguments += FFmpeg.video(profile.mp4, preset: profile.preset, threads: tools.limits.threads)
        }
        arguments += copiesAudio ? ["-c:a", "copy"] : FFmpeg.audio(profile.mp4)
        // The index first, so that a player can begin before it has the end.
        try convert(
            for: .mp4, try outputSize(copiesVideo: copiesVideo, copiesAudio: copiesAudio),
            arguments + ["-movflags", "+faststart", "-f", "mp4", "-y", "file:\(path)"])

        let made = try checkStreams(path, .mov, size: size, duration: duration)
        pictureDuration = made.video.end ?? pictureDuration
        guard try hasIndexFirst(path) else {
            throw TranscodingError(.toolFailed, "\(path) has its index at the end")
        }
        return TranscodingResult.MP4(size: size, hasCopiedVideo: copiesVideo, hasCopiedAudio: copiesAudio)
    }

    /// - Throws: `unsupported` if the packets to be copied are far more than there are in the file.
    private func outputSize(copiesVideo: Bool, copiesAudio: Bool) throws(TranscodingError) -> OutputSize {
        let rate = (copiesVideo ? 0 : profile.mp4.videoBitRate) + (copiesAudio ? 0 : profile.mp4.audioBitRate)
        let encoded = OutputSize.encoded(bitRate: rate, cost, duration: duration)
        guard copiesVideo || copiesAudio else { return encoded }
        let copied = OutputSize.copied(cost, duration: duration)
        guard !copiesVideo || cost.pictureBytes <= copied.limit else {
            throw TranscodingError(
                .unsupported,
                "its pictures have \(cost.pictureBytes) bytes, the file has \(cost.bytes): it names the same ones again and "
                    + "again", isOverBudget: true)
        }
        return copiesVideo && copiesAudio ? copied : copied + encoded
    }

    /// Whether `moov` comes before `mdat` among the boxes of the file (ISO/IEC 14496-12, section 4.2).
    private func hasIndexFirst(_ name: String) throws(TranscodingError) -> Bool {
        let file = try directory.open(name)
        var offset = 0
        // Ours has four.
        for _ in 0..<16 {
            var head: [UInt8] = []
            try io { () throws(SystemError) in
                let length = try file.length()
                guard offset + 16 <= length else { return }
                try file.forEachPiece(of: offset..<offset + 16, size: 16) { head = Array($0) }
            }
            guard head.count == 16 else { return false }
            switch String(decoding: head[4..<8], as: UTF8.self) {
            case "moov": return true
            case "mdat": return false
            default: break
            }
            let size = head[0..<4].reduce(0) { $0 << 8 | Int($1) }
            guard size >= 8 else { return false }
            offset += size
        }
        return false
    }
}
