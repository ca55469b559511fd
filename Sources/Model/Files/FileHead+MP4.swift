/// MP4 and QuickTime: ISO/IEC 14496-12 section 4.2 (boxes), Apple's QuickTime File Format (atoms).
extension FileHead {
    /// What the boxes at a file's beginning make of it.
    private enum Boxes { case video, image, fragment, other }

    var isMP4: Bool { boxes == .video }

    /// A piece of a stream: it has pictures, and nothing that says how to decode them.
    var isFragment: Bool { boxes == .fragment }

    /// A still picture in the same kind of file.
    var isImageFile: Bool { boxes == .image }

    /// Boxes that may come before the one that decides. Readers skip any other box too.
    private static let leading: Set<String> = [
        "free", "skip", "wide", "uuid", "junk", "PICT", "pict", "ediw", "prfl", "udta", "styp", "sidx", "ssix", "prft",
        "emsg", "pdin", "meta", "meco", "mfra",
    ]

    /// Brands of still pictures, which have no index of pictures over time: HEIF, AVIF, JPEG 2000, JPEG XL, Canon's raw.
    private static let imageBrands: Set<String> = [
        "heic", "heix", "heim", "heis", "mif1", "avif", "jp2 ", "jpx ", "jpm ", "jxl ", "crx ",
    ]

    /// Bytes of a box: no box but the one with the pictures is as large. Text as the first four bytes is larger.
    private static let sizeLimit: UInt64 = 1 << 29

    private var boxes: Boxes {
        var offset = 0
        var isKnown = false
        // A box has 8 bytes at least, which bounds this.
        while let type = boxType(at: offset), let size = boxSize(at: offset) {
            switch type {
            case "ftyp":
                guard size >= 8, size < Self.sizeLimit else { return .other }
                return Self.imageBrands.contains(boxType(at: offset + 4) ?? "") ? .image : .video
            case "mdat":
                // To the file's end if it is 0.
                return .video
            case "moov", "pnot":
                return size < Self.sizeLimit ? .video : .other
            case "moof":
                return size < Self.sizeLimit ? .fragment : .other
            default:
                guard size >= 8, size < Self.sizeLimit else { return .other }
                isKnown = isKnown || Self.leading.contains(type)
                offset += Int(size)
            }
        }
        // The next box is beyond what is here.
        return isKnown && offset + 8 > bytes.count ? .video : .other
    }

    /// Four printable characters, as the type of a box that starts at `offset` has them.
    private func boxType(at offset: Int) -> String? {
        guard offset + 8 <= bytes.count else { return nil }
        let type = bytes[offset + 4..<offset + 8]
        guard type.allSatisfy({ (0x20...0x7E).contains($0) }) else { return nil }
        return String(decoding: type, as: UTF8.self)
    }

    /// The whole size of the box that starts at `offset`: 0 for all that is left; `nil` if it is impossible.
    private func boxSize(at offset: Int) -> UInt64? {
        guard let size = number(at: offset, bytes: 4) else { return nil }
        // A size of more than 32 bits comes behind the type.
        if size == 1 { return number(at: offset + 8, bytes: 8).flatMap { $0 >= 16 ? $0 : nil } }
        return size == 0 || size >= 8 ? size : nil
    }
}
