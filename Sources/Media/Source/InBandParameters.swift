/// Tells whether a codec's parameters change within a track's packets, of which a container that is copied into would keep
/// the first ones only. Nothing is decoded.
///
/// Other containers announce a change (`Packet.hasNewParameters`); transport streams and some recorders do not.
enum InBandParameters {
    /// Whether a track of H.264 has other sequence or picture parameter sets at some key picture.
    static func change(
        inPicture track: Int, of source: SourceFile, bytes: Int, _ tools: ToolRunner
    ) throws(TranscodingError) -> Bool {
        var sets = FrameHashes()
        try read(source, output(ofPicture: track), bytes: bytes, tools) { piece in
            sets.read(piece)
            return sets.different.count > 1
        }
        return sets.different.count > 1
    }

    /// The output that tells `FrameHashes` of these sets on standard output. Each line is written at once, so that progress may
    /// come between two of them.
    static func output(ofPicture track: Int) -> [String] {
        // ITU-T H.264, table 7-1: 7 and 8. Those of the file's header are put before each key picture that has none.
        let filters = "h264_mp4toannexb,filter_units=pass_types=7-8"
        return ["-map", "0:\(track)", "-c", "copy", "-bsf:v", filters, "-flush_packets", "1", "-f", "framemd5", "-"]
    }

    /// Whether a track of AAC in a transport stream has headers of another profile, rate or number of channels.
    static func change(
        inSound track: Int, of source: SourceFile, bytes: Int, _ tools: ToolRunner
    ) throws(TranscodingError) -> Bool {
        guard source.format == .mpegTS else { return false }
        var headers = ADTSHeaders()
        try read(source, ["-map", "0:\(track)", "-c", "copy", "-f", "adts", "-"], bytes: bytes, tools) { piece in
            headers.read(piece)
            return headers.different.count > 1
        }
        return headers.different.count > 1
    }

    /// Copies a track to standard output until enough of it was seen.
    private static func read(
        _ source: SourceFile, _ output: [String], bytes: Int, _ tools: ToolRunner,
        isEnough: (UnsafeRawBufferPointer) -> Bool
    ) throws(TranscodingError) {
        var isDone = false
        do throws(TranscodingError) {
            try tools.run(
                ["ffmpeg", "-nostdin", "-v", "error", "-copyts"] + source.arguments(sideLimit: tools.limits.side)
                    + output,
                within: tools.limits.readingTime(bytes)
            ) { piece in
                guard !isDone, isEnough(piece) else { return }
                isDone = true
                tools.watch.stop(because: "enough was seen")
            }
        } catch  where isDone && error.code == .timeLimit {
        }
    }
}

/// The checksums of packets that ffmpeg writes as `framemd5`: of each line that is no comment the sixth field.
struct FrameHashes {
    private(set) var different: Set<[UInt8]> = []
    private var line: [UInt8] = []

    mutating func read(_ piece: UnsafeRawBufferPointer) {
        for byte in piece {
            if byte != UInt8(ascii: "\n") {
                if line.count < 512 { line.append(byte) }
                continue
            }
            let fields = line.split(separator: UInt8(ascii: ","))
            if line.first != UInt8(ascii: "#"), fields.count >= 6, different.count < 2 {
                different.insert(fields[5].filter { $0 != UInt8(ascii: " ") })
            }
            line.removeAll(keepingCapacity: true)
        }
    }
}

/// The fixed headers of AAC's frames in an ADTS stream: ISO/IEC 13818-7, section 6.2.1.
struct ADTSHeaders {
    /// Profile, sampling frequency and channel configuration of each kind of header.
    private(set) var different: Set<[UInt8]> = []
    private var header: [UInt8] = []
    /// Bytes of the frame that are still to come.
    private var rest = 0

    mutating func read(_ piece: UnsafeRawBufferPointer) {
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
    }
}
