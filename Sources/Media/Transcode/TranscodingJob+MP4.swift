import System

/// `video.mp4`: the video in one file.
extension TranscodingJob {
    /// Which of its tracks are the uploaded ones, packet by packet.
    struct Copies: Equatable {
        var picture: Bool
        var sound: Bool
    }

    /// What could be copied, if all of it decodes.
    var copies: Copies { Self.copies(look, profile) }

    static func copies(_ look: SourceLook, _ profile: TranscodingProfile) -> Copies {
        let fits = look.information.video.size.scale(toFrame: profile.mp4.height) >= 1
        return Copies(picture: fits && look.pictureObstacle == nil, sound: look.soundObstacle == nil)
    }

    /// Whether the picture's parameters change in the middle, of which a file has the first ones only.
    func pictureChanges() throws(TranscodingError) -> Bool {
        try InBandParameters.change(inPicture: look.picture, of: source, bytes: cost.bytes, tools)
    }

    /// The same of the sound.
    func soundChanges() throws(TranscodingError) -> Bool {
        guard let sound = look.sound else { return false }
        return try InBandParameters.change(inSound: sound, of: source, bytes: cost.bytes, tools)
    }

    /// The arguments that take the chosen tracks.
    private var maps: [String] {
        ["-map", "0:\(look.picture)"] + (look.sound.map { ["-map", "0:\($0)"] } ?? [])
    }

    private var decoding: [String] { maps + ["-f", "null", "-"] }

    /// Makes the file from packets of the source while it decodes all of them, and looks for other parameters in them.
    ///
    /// - Returns: `nil` if it has to be encoded: not all can be decoded, or it does not come out right.
    func remux(_ copies: Copies) throws(TranscodingError) -> TranscodingResult.MP4? {
        var sets = FrameHashes()
        do throws(TranscodingError) {
            complaints = try convert(
                for: .mp4, outputSize(copies), before: FFmpeg.input(look),
                decoding + InBandParameters.output(ofPicture: look.picture) + copying(copies)
            ) { piece in
                sets.read(piece)
                if sets.different.count > 1 { tools.watch.stop(because: "its parameters change") }
            }
            // They may be of what is written. Then the decoder alone has none.
            if !complaints.isEmpty { complaints = try convert(for: .mp4, .none, before: ["-copyts"], decoding) }
            if complaints.isEmpty && sets.different.count <= 1 { return try checkMP4(copies) }
            logger.notice("not all of the video can be decoded; encoding it")
        } catch  where sets.different.count > 1 && error.code == .timeLimit {
            logger.notice("the parameters of the picture change; encoding it")
        } catch  where error.code == .toolFailed || error.code == .unsupported {
            logger.notice("a copied stream did not come out right; encoding it", metadata: ["cause": "\(error)"])
        }
        return nil
    }

    /// Makes the file from packets of the source, or encodes it where these do not come out right.
    func copyMP4(_ copies: Copies, isClean: Bool) throws(TranscodingError) -> TranscodingResult.MP4 {
        if isClean {
            do throws(TranscodingError) {
                return try copyMP4(copies)
            } catch  where error.code == .toolFailed || error.code == .unsupported {
                // A stream that does not say what it is, or whose packets cannot be moved.
                logger.notice("a copied stream did not come out right; encoding it", metadata: ["cause": "\(error)"])
            }
        } else {
            logger.notice("not all of the video can be decoded; encoding it")
        }
        return try encodeMP4()
    }

    /// Encodes the file alone.
    func encodeMP4() throws(TranscodingError) -> TranscodingResult.MP4 {
        _ = try encode(mp4: Copies(picture: false, sound: false), stream: false)
        return try checkMP4(Copies(picture: false, sound: false))
    }

    private func copyMP4(_ copies: Copies) throws(TranscodingError) -> TranscodingResult.MP4 {
        try convert(for: .mp4, outputSize(copies), before: FFmpeg.input(look), copying(copies))
        return try checkMP4(copies)
    }

    /// The output that is the file, with the picture's packets.
    private func copying(_ copies: Copies) -> [String] {
        var arguments = maps + FFmpeg.streamsOnly + ["-c:v", "copy"]
        if let track = look.timeline.sound, !copies.sound {
            arguments += FFmpeg.audio(profile.mp4) + ["-af", FFmpeg.sound(look, track)]
        } else if copies.sound {
            arguments += ["-c:a", "copy"]
        }
        return arguments + mp4Options
    }

    /// The index first, so that a player can begin before it has the end.
    var mp4Options: [String] {
        ["-movflags", "+faststart", "-f", "mp4", "-y", "file:\(TranscodingResult.mp4Path)"]
    }

    /// The size of the picture in what is encoded.
    var mp4Size: PictureSize { information.video.size.fitted(toFrame: profile.mp4.height) }

    /// Looks at the file that was made.
    func checkMP4(_ copies: Copies) throws(TranscodingError) -> TranscodingResult.MP4 {
        let path = TranscodingResult.mp4Path
        let size = copies.picture ? information.video.size : mp4Size
        try checkStreams(path, .mp4, size: size)
        guard try hasIndexFirst(path) else {
            throw TranscodingError(.toolFailed, "\(path) has its index at the end")
        }
        return TranscodingResult.MP4(size: size, hasCopiedVideo: copies.picture, hasCopiedAudio: copies.sound)
    }

    private func outputSize(_ copies: Copies) -> OutputSize {
        let copied = OutputSize.copied(cost, duration: duration)
        if copies.sound { return copied }
        return copied + OutputSize.encoded(bitRate: profile.mp4.audioBitRate, cost, duration: duration)
    }

    /// - Throws: `tooMuch` if the packets to be copied are far more than there are in the file.
    func checkCopy() throws(TranscodingError) {
        guard cost.pictureBytes > OutputSize.copied(cost, duration: duration).limit else { return }
        throw TranscodingError(
            .tooMuch,
            "its pictures have \(cost.pictureBytes) bytes, the file has \(cost.bytes): "
                + "it names the same ones again and again")
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
