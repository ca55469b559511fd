/// What a file is that is no video to be opened, as far as its first bytes tell.
package enum OtherContent: String, CaseIterable, Sendable {
    /// Zeros, as a download has that is not complete.
    case zeros
    case image, pdf, zip, archive, document, sound, playlist, program
    case webPage = "web-page"
    case text
    /// A piece of an MP4 stream without its beginning.
    case fragment
    /// Pictures without a container.
    case elementaryStream = "elementary-stream"
    case realMedia = "real-media"
    /// Of a kind that is not taken.
    case otherVideo = "other-video"
    case unknown

    /// What the file is that begins like this and is no `FileHead.format`.
    package init(_ head: FileHead) {
        self = Self.signatures.first { $0.matches(head) }?.content ?? head.text ?? .unknown
    }

    private struct Signature {
        let content: OtherContent
        let matches: @Sendable (FileHead) -> Bool

        init(_ content: OtherContent, _ matches: @escaping @Sendable (FileHead) -> Bool) {
            self.content = content
            self.matches = matches
        }

        /// A file with one of these texts at the offset.
        init(_ content: OtherContent, at offset: Int = 0, _ texts: String...) {
            self.init(content) { head in texts.contains { head.has($0, at: offset) } }
        }

        /// A file that begins with these bytes.
        init(_ content: OtherContent, bytes: [UInt8]) { self.init(content) { $0.has(bytes) } }
    }

    private static let signatures: [Signature] = [
        Signature(.zeros) { head in head.bytes.count >= 12 && head.bytes.allSatisfy { $0 == 0 } },
        Signature(.fragment, \.isFragment),
        // JPEG; PNG; TIFF; a bitmap, whose second header follows; Photoshop.
        Signature(.image, \.isImageFile),
        Signature(.image, bytes: [0xFF, 0xD8, 0xFF]),
        Signature(.image, bytes: [0x89, 0x50, 0x4E, 0x47]),
        Signature(.image, "GIF87a", "GIF89a", "8BPS", "II*\0", "MM\0*"),
        Signature(.image) { head in head.has("RIFF") && head.has("WEBP", at: 8) },
        Signature(.image) { head in
            head.has("BM") && head.has([0, 0, 0, 0], at: 6)
                && head.bytes.count > 17 && (12...124).contains(head.bytes[14]) && head.has([0, 0, 0], at: 15)
        },
        Signature(.pdf, "%PDF-"),
        Signature(.zip, "PK\u{3}\u{4}", "PK\u{5}\u{6}"),
        // RAR, 7-Zip, gzip, bzip2, xz, Zstandard, tar.
        Signature(.archive, "Rar!", "BZh"),
        Signature(.archive, bytes: [0x37, 0x7A, 0xBC, 0xAF]),
        Signature(.archive, bytes: [0x1F, 0x8B, 0x08]),
        Signature(.archive, bytes: [0xFD, 0x37, 0x7A, 0x58, 0x5A]),
        Signature(.archive, bytes: [0x28, 0xB5, 0x2F, 0xFD]),
        Signature(.archive, at: 257, "ustar"),
        Signature(.document, bytes: [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]),
        Signature(.sound, "ID3", "fLaC", "#!AMR", "MThd", "MAC ", "FORM"),
        Signature(.sound) { head in head.has("RIFF") && head.has("WAVE", at: 8) },
        Signature(.sound, \.isMPEGSound),
        Signature(.realMedia, ".RMF"),
        // Ogg, IVF, raw pictures, Flash, Nullsoft; MXF.
        Signature(.otherVideo, "OggS", "DKIF", "YUV4MPEG2", "FWS", "CWS", "NSVf"),
        Signature(.otherVideo, bytes: [0x06, 0x0E, 0x2B, 0x34, 0x02, 0x05, 0x01, 0x01]),
        Signature(.elementaryStream, \.isElementaryStream),
        Signature(.program, "\u{7F}ELF"),
        Signature(.program) { head in head.has("MZ") && head.bytes.count > 64 && head.text == nil },
    ]
}

extension FileHead {
    /// MP3 and AAC without a container: a frame, and the next one where it has to be. ISO/IEC 11172-3 and 13818-7.
    fileprivate var isMPEGSound: Bool {
        guard let length = soundFrameLength(at: 0) else { return false }
        return soundFrameLength(at: length) != nil
    }

    private func soundFrameLength(at offset: Int) -> Int? {
        guard let word = number(at: offset, bytes: 6).map(Int.init), word >> 36 == 0xFFF || word >> 37 == 0x7FF else {
            return nil
        }
        let layer = word >> 33 & 3
        if layer == 0 {
            // ADTS.
            let length = word >> 5 & 0x1FFF
            return word >> 36 == 0xFFF && length > 7 ? length : nil
        }
        // Layer III, which is numbered 1.
        let (version, rate, frequency) = (word >> 35 & 3, word >> 28 & 15, word >> 26 & 3)
        guard layer == 1, version != 1, rate != 0, rate != 15, frequency != 3 else { return nil }
        let isFirst = version == 3
        let rates =
            isFirst
            ? [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
            : [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]
        let hertz = [44100, 48000, 32000][frequency] / (isFirst ? 1 : version == 2 ? 2 : 4)
        return (isFirst ? 144 : 72) * rates[rate - 1] * 1000 / hertz + (word >> 25 & 1)
    }

    /// Which kind of text it is, in whatever encoding; `nil` if it is none.
    fileprivate var text: OtherContent? {
        var start = bytes.prefix(1024)
        if start.starts(with: [0xFF, 0xFE]) || start.starts(with: [0xFE, 0xFF]) {
            // UTF-16: what of it is ASCII.
            start = ArraySlice(start.dropFirst(2).filter { $0 != 0 })
        } else {
            // No text has control characters; a short one could be without them by chance.
            let isPlain = start.allSatisfy { $0 >= 0x20 && $0 != 0x7F || (9...13).contains($0) || $0 == 0x1B }
            guard isPlain, start.count >= 64 || String(validating: start, as: UTF8.self) != nil else { return nil }
            if start.starts(with: [0xEF, 0xBB, 0xBF]) { start = start.dropFirst(3) }
        }
        let text = String(decoding: start.drop { $0 <= 0x20 }, as: UTF8.self).lowercased()
        func begins(_ texts: String...) -> Bool { texts.contains { text.hasPrefix($0) } }
        if begins("#extm3u", "[playlist]", "[reference]", "<asx", "<smil", "<mpd", "<?wpl") { return .playlist }
        if begins("<!doctype html", "<html", "<head", "<body", "<script", "<title", "<meta") { return .webPage }
        if begins("<?xml", "<!--", "<svg", "<!doctype") {
            if text.contains("<mpd") || text.contains("<smil") { return .playlist }
            if text.contains("<svg") { return .image }
            if text.contains("<html") { return .webPage }
        }
        return .text
    }
}
