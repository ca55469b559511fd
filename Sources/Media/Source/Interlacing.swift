/// Whether pictures are two half pictures of different times, and which half comes first. Decoded pictures decide: headers of
/// old recorders, and of files that went through an editor, say nothing or something else.
enum Interlacing: Equatable, Sendable, CustomStringConvertible {
    case none
    /// The half with the first line comes first.
    case topFirst
    case bottomFirst

    var description: String {
        switch self {
        case .none: "whole pictures"
        case .topFirst: "two half pictures, the top one first"
        case .bottomFirst: "two half pictures, the bottom one first"
        }
    }

    /// The filter that makes whole pictures, `nil` if they are.
    var filter: String? {
        switch self {
        case .none: nil
        case .topFirst: "yadif=parity=tff"
        case .bottomFirst: "yadif=parity=bff"
        }
    }

    /// Pictures that are looked at in a place, and the places, as parts of the video: a film may be cut from both kinds, and
    /// in some files only the beginning can be found. Where the header says that pictures are whole, one place is enough.
    private static let pictures = 15
    /// Pictures in which combs are counted, where there seem to be half pictures.
    private static let combPictures = 8
    private static let places = [0, 0.25, 0.75]
    /// Seconds of a video that is looked at in one place.
    private static let short = 4.0
    /// Lines of the smallest picture that is ever interlaced, and of the largest.
    private static let lines = 240...1200
    /// Of the pictures that are one or the other, how many must be two halves, and how many there must be.
    private static let share = 0.6
    private static let least = 8.0
    /// Of the pictures that are two halves, how many must have the same half first. What moves in whole pictures of a test card
    /// or a game looks like either; a recorder does not change its mind.
    private static let steadiness = 0.8

    /// Looks at some pictures of a track.
    /// - Parameters:
    ///   - duration: seconds; less than a picture or two are taken for whole ones.
    ///   - place: seconds; where alone it looks.
    static func of(
        _ source: SourceFile, picture: Int, height: Int, duration: Double, at place: Double? = nil, _ tools: ToolRunner
    ) throws(TranscodingError) -> Interlacing {
        guard lines.contains(height) else { return .none }
        var seconds = [0.0]
        if duration > short { seconds = place.map { [$0] } ?? places.map { $0 * duration } }
        for place in seconds {
            func look(_ count: Int, _ filters: String, _ output: [String]) throws(TranscodingError) -> [UInt8] {
                var bytes: [UInt8] = []
                try tools.run(
                    // From the key picture before it on. What a decoder does to edges takes time and makes no comb.
                    FFmpeg.telling + ["-noaccurate_seek", "-ss", FFmpeg.seconds(place)]
                        + ["-threads", "1", "-skip_loop_filter", "all", "-noautorotate"]
                        + source.arguments(sideLimit: tools.limits.side)
                        + [
                            "-map", "0:\(picture)", "-an", "-sn", "-dn", "-frames:v", "\(count)", "-vf", filters,
                            "-fps_mode", "passthrough",
                        ]
                        + output,
                    within: tools.limits.probeTime, outputLimit: 4 << 20
                ) { bytes += $0 }
                return bytes
            }
            do throws(TranscodingError) {
                let found = counts(try look(pictures, "idet,metadata=mode=print:file=-", ["-f", "null", "-"]))
                let kind = Interlacing(top: found.top, bottom: found.bottom, whole: found.whole)
                if kind == .none { continue }
                var combs = Combs(height: height)
                let narrow = "scale=\(Combs.width):\(height):flags=area,format=gray"
                combs.take(try look(combPictures, narrow, ["-f", "rawvideo", "-"]))
                if combs.areThere { return kind }
            } catch  where error.code == .toolFailed || error.code == .unsupported {
                // What cannot be decoded shows in the conversion.
            }
        }
        return .none
    }

    /// Decides by how many pictures in a row were found to be of each kind.
    init(top: Double, bottom: Double, whole: Double) {
        if top + bottom < Self.least || top + bottom <= Self.share * (top + bottom + whole)
            || max(top, bottom) < Self.steadiness * (top + bottom)
        {
            self = .none
        } else {
            self = top >= bottom ? .topFirst : .bottomFirst
        }
    }

    /// The last counts that idet wrote.
    static func counts(_ output: [UInt8]) -> (top: Double, bottom: Double, whole: Double) {
        var counts: [Substring: Double] = [:]
        for line in String(decoding: output, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: "=")
            guard parts.count == 2, parts[0].hasPrefix("lavfi.idet.multiple."), let count = Double(parts[1]) else {
                continue
            }
            counts[parts[0].dropFirst("lavfi.idet.multiple.".count)] = count
        }
        return (counts["tff"] ?? 0, counts["bff"] ?? 0, counts["progressive"] ?? 0)
    }
}

/// Counts the combs of pictures: rows that differ from both neighbours in the same way, while these are alike, where something
/// moves. A picture of two half pictures has them at each moving edge; what moves by an odd number of rows in whole pictures, as
/// scrolling text does, has not, though it looks like half pictures to ffmpeg's idet.
struct Combs {
    /// Samples of a row: pictures are made narrower, rows stay.
    static let width = 160
    /// What differs by less is noise.
    private static let difference = 12
    /// Of the samples that move, how many must have a comb. Measured: 0.26 to 0.37 of half pictures, 0 to 0.05 of whole ones.
    private static let share = 0.12

    private let height: Int
    private var last: [UInt8] = []
    private(set) var moving = 0
    private(set) var combed = 0

    init(height: Int) { self.height = height }

    var areThere: Bool { Double(combed) > Self.share * Double(max(moving, 1)) }

    /// Takes pictures of `width` by `height` samples of brightness, one after the other.
    mutating func take(_ bytes: [UInt8]) {
        let size = Self.width * height
        guard height > 2 else { return }
        for start in stride(from: 0, through: bytes.count - size, by: size) {
            let picture = Array(bytes[start..<start + size])
            if !last.isEmpty { compare(picture) }
            last = picture
        }
    }

    private mutating func compare(_ picture: [UInt8]) {
        picture.withUnsafeBufferPointer { now in
            last.withUnsafeBufferPointer { before in
                for place in Self.width..<now.count - Self.width {
                    let value = Int(now[place])
                    guard abs(value - Int(before[place])) > Self.difference else { continue }
                    moving += 1
                    let (above, below) = (Int(now[place - Self.width]), Int(now[place + Self.width]))
                    let (up, down) = (above - value, below - value)
                    if abs(up) > Self.difference, abs(down) > Self.difference, (up > 0) == (down > 0),
                        2 * abs(above - below) < min(abs(up), abs(down))
                    {
                        combed += 1
                    }
                }
            }
        }
    }
}
