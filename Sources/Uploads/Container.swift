/// The kinds of video file that can be told by their first bytes.
package enum Container: String, CaseIterable, Sendable {
    case mp4, avi, flv, matroska, mpegTS, mpegPS

    /// The extension that stands for each kind in a file name, and those that are the same kind.
    package init?(fileExtension: String) {
        switch fileExtension {
        case "mp4", "m4v", "mov", "3gp": self = .mp4
        case "avi": self = .avi
        case "flv": self = .flv
        case "mkv", "webm": self = .matroska
        case "ts", "m2ts", "mts": self = .mpegTS
        case "mpg", "mpeg", "vob": self = .mpegPS
        default: return nil
        }
    }

    /// Every file extension that can be allowed.
    package static let fileExtensions = [
        "3gp", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ts", "vob", "webm",
    ]

    /// So many bytes of a file's beginning decide.
    package static let signatureLength = 12

    /// The name of ffmpeg's demuxer; naming it keeps ffprobe from guessing a playlist, which could open other files.
    package var demuxer: String {
        switch self {
        case .mp4: "mov"
        case .avi: "avi"
        case .flv: "flv"
        case .matroska: "matroska"
        case .mpegTS: "mpegts"
        case .mpegPS: "mpeg"
        }
    }

    /// Whether a file that begins with these bytes can be of this kind.
    ///
    /// Sources: ISO/IEC 14496-12 section 4.2 and Apple's QuickTime File Format (box types that may come first),
    /// Microsoft's RIFF, Adobe's FLV 10.1 annex E.2, RFC 8794 (EBML), ISO/IEC 13818-1.
    package func matches(_ head: [UInt8]) -> Bool {
        func has(_ text: String, at offset: Int) -> Bool { head.dropFirst(offset).starts(with: text.utf8) }
        switch self {
        case .mp4:
            return ["ftyp", "moov", "mdat", "free", "skip", "wide", "pnot"].contains { has($0, at: 4) }
        case .avi: return has("RIFF", at: 0) && has("AVI ", at: 8)
        case .flv: return has("FLV\u{1}", at: 0)
        case .matroska: return head.starts(with: [0x1A, 0x45, 0xDF, 0xA3])
        case .mpegTS: return head.first == 0x47 || head.dropFirst(4).first == 0x47
        case .mpegPS: return head.starts(with: [0x00, 0x00, 0x01, 0xBA])
        }
    }

    /// The kind among those that `extensions` allow which a file beginning with these bytes can be.
    package static func of(_ head: [UInt8], allowed extensions: [String]) -> Container? {
        extensions.lazy.compactMap(Container.init(fileExtension:)).first { $0.matches(head) }
    }
}
