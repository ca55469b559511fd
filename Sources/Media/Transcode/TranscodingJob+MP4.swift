/// `video.mp4`: the video in one file.
extension TranscodingJob {
    /// Whether the picture's parameters change in its packets: a track of H.264 has other sequence or picture parameter sets at
    /// some key picture. An MP4 would keep the first ones only.
    ///
    /// Nothing is decoded. Other containers announce a change (`Packet.hasNewParameters`); transport streams and some recorders
    /// do not.
    func pictureChanges() throws(TranscodingError) -> Bool {
        var sets = FrameHashes()
        return try isSeen(in: parameterSets) { sets.read($0) }
    }

    /// The same of the sound: a track of AAC in a transport stream has headers of another profile, rate or number of channels.
    func soundChanges() throws(TranscodingError) -> Bool {
        guard let sound = look.sound, source.format == .mpegTS else { return false }
        var headers = ADTSHeaders()
        return try isSeen(in: ["-map", "0:\(sound)", "-c", "copy", "-f", "adts", "-"]) { headers.read($0) }
    }

    /// Copies a track to standard output until it was seen what is looked for. Returns whether it was.
    private func isSeen(
        in output: [String], _ look: (UnsafeRawBufferPointer) -> Bool
    ) throws(TranscodingError) -> Bool {
        var isDone = false
        do throws(TranscodingError) {
            try tools.run(
                FFmpeg.telling + ["-copyts"] + source.arguments(sideLimit: tools.limits.side) + output,
                within: tools.limits.readingTime(cost.bytes)
            ) { piece in
                guard !isDone, look(piece) else { return }
                isDone = true
                tools.watch.stop(because: "enough was seen")
            }
        } catch  where isDone && error.code == .timeLimit {
        }
        return isDone
    }

    /// The output that tells `FrameHashes` of the picture's parameter sets on standard output. Each line is written at once, so
    /// that progress may come between two of them.
    private var parameterSets: [String] {
        // ITU-T H.264, table 7-1: 7 and 8. Those of the file's header are put before each key picture that has none.
        let filters = "h264_mp4toannexb,filter_units=pass_types=7-8"
        return [
            "-map", "0:\(look.picture)", "-c", "copy", "-bsf:v", filters, "-flush_packets", "1", "-f", "framemd5", "-",
        ]
    }

    /// The arguments that take the chosen tracks.
    private var maps: [String] {
        ["-map", "0:\(look.picture)"] + (look.sound.map { ["-map", "0:\($0)"] } ?? [])
    }

    private var decoding: [String] { maps + ["-f", "null", "-"] }

    /// Makes the file from packets of the source while it decodes all of them, and looks for other parameters in them.
    /// - Returns: `nil` if it has to be encoded: not all can be decoded, or it does not come out right.
    func remux(_ copies: Copies) throws(TranscodingError) -> TranscodingResult.MP4? {
        var sets = FrameHashes()
        do throws(TranscodingError) {
            complaints = try convert(
                for: .mp4, outputSize(copies), before: FFmpeg.input(look),
                decoding + parameterSets + copying(copies)
            ) { piece in
                if sets.read(piece) { tools.watch.stop(because: "its parameters change") }
            }
            // They may be of what is written. Then the decoder alone has none.
            if !complaints.isEmpty { complaints = try convert(for: .mp4, .none, before: ["-copyts"], decoding) }
            if complaints.isEmpty && !sets.differ { return try checkMP4(copies) }
            logger.notice("not all of the video can be decoded; encoding it")
        } catch  where sets.differ && error.code == .timeLimit {
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
                try convert(for: .mp4, outputSize(copies), before: FFmpeg.input(look), copying(copies))
                return try checkMP4(copies)
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

    /// Looks at the file that was made.
    func checkMP4(_ copies: Copies) throws(TranscodingError) -> TranscodingResult.MP4 {
        let path = TranscodingResult.mp4Path
        let size = copies.picture ? information.video.size : mp4Size
        try checkStreams(path, .mp4, size: size)
        guard try Container.hasIndexFirst(try directory.open(path)) else {
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

}

/// The checksums of packets that ffmpeg writes as `framemd5`: of each line that is no comment the sixth field.
struct FrameHashes {
    private(set) var different: Set<[UInt8]> = []
    private var lines = LineReader()

    var differ: Bool { different.count > 1 }

    /// Returns whether they differ.
    @discardableResult
    mutating func read(_ piece: UnsafeRawBufferPointer) -> Bool {
        lines.read(piece) { line in
            let fields = line.split(separator: UInt8(ascii: ","))
            if line.first != UInt8(ascii: "#"), fields.count >= 6, different.count < 2 {
                different.insert(fields[5].filter { $0 != UInt8(ascii: " ") })
            }
        }
        return differ
    }
}

/// The fixed headers of AAC's frames in an ADTS stream: ISO/IEC 13818-7, section 6.2.1.
struct ADTSHeaders {
    /// Profile, sampling frequency and channel configuration of each kind of header.
    private(set) var different: Set<[UInt8]> = []
    private var header: [UInt8] = []
    /// Bytes of the frame that are still to come.
    private var rest = 0

    /// Returns whether they differ.
    @discardableResult
    mutating func read(_ piece: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        while offset < piece.count {
            if rest > 0 {
                let step = min(rest, piece.count - offset)
                offset += step
                rest -= step
                continue
            }
            header.append(piece[offset])
            offset += 1
            guard header.count == 7 else { continue }
            let length = Int(header[3] & 3) << 11 | Int(header[4]) << 3 | Int(header[5]) >> 5
            if header[0] == 0xFF, header[1] & 0xF6 == 0xF0, length >= 7 {
                // Not the private bit, nor those of the copyright.
                if different.count < 2 { different.insert([header[2] & 0xFD, header[3] & 0xC0]) }
                rest = length - 7
                header.removeAll(keepingCapacity: true)
            } else {
                // What is damaged: the next header is looked for.
                header.removeFirst()
            }
        }
        return different.count > 1
    }
}
