import Foundation

extension HostileVideo {
    /// An mp4 whose samples, one a second, are all the same JPEG: hours of work in a small file.
    ///
    /// - Parameters:
    ///   - side: pixels of both sides of the picture.
    ///   - interval: seconds from one sample to the next.
    package static func onePicture(side: Int, samples: Int, interval: Double = 1) throws -> [UInt8] {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let picture = directory.appendingPathComponent("picture.jpg")
        let made = try ChildProcess.run(
            "ffmpeg",
            [
                "-nostdin", "-v", "error", "-f", "lavfi", "-i", "color=gray:s=\(side)x\(side)", "-frames:v", "1",
                "-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-huffman", "optimal", "-f", "image2", picture.path,
            ], within: 120)
        guard made.end == .exit(0) else { throw NotReady("ffmpeg: \(made.errors)") }
        let entry =
            numbers([86]) + Data("jpeg".utf8) + Data(count: 6) + half(1) + Data(count: 16) + half(side) + half(side)
            + numbers([0x48_0000, 0x48_0000, 0]) + half(1) + Data(count: 32) + half(24) + half(0xFFFF)
        return Array(
            mp4(
                of: try Data(contentsOf: picture), entry, width: side, height: side, samples: samples,
                interval: interval))
    }

    /// An mp4 whose samples, 25 a second, are all the same key picture of H.264: noise, of which nothing can be saved. Copied
    /// packet by packet it becomes as many times as large. Returns the bytes of the picture too.
    package static func oneKeyPicture(
        width: Int, height: Int, samples: Int
    ) throws -> (content: [UInt8], pictureBytes: Int) {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("picture.mp4")
        let made = try ChildProcess.run(
            "ffmpeg",
            [
                "-nostdin", "-v", "error", "-f", "lavfi", "-i",
                "nullsrc=s=\(width)x\(height):r=25,geq=random(1)*255:128:128", "-frames:v", "1", "-pix_fmt", "yuv420p",
                "-c:v", "libx264", "-profile:v", "high", "-qp", "4", "-preset", "ultrafast", file.path,
            ], within: 120)
        guard made.end == .exit(0) else { throw NotReady("ffmpeg: \(made.errors)") }
        let whole = try Data(contentsOf: file)
        let picture = try find(["mdat"], in: whole)
        let description = try find(["moov", "trak", "mdia", "minf", "stbl", "stsd"], in: whole)
        // After its version and its number of entries.
        let content = mp4(
            of: picture, Data(description.dropFirst(8)), width: width, height: height, samples: samples, interval: 0.04)
        return (Array(content), picture.count)
    }

    /// What is in a box that is in other boxes.
    private static func find(_ path: [String], in content: Data) throws -> Data {
        guard let name = path.first else { return content }
        var rest = content
        while rest.count >= 8 {
            let size = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            guard size >= 8, size <= rest.count else { break }
            if rest.dropFirst(4).prefix(4) == Data(name.utf8) {
                return try find(Array(path.dropFirst()), in: rest.dropFirst(8).prefix(size - 8))
            }
            rest = rest.dropFirst(size)
        }
        throw NotReady("there is no \(name) in the file")
    }

    /// ISO/IEC 14496-12: ftyp, mdat with the one picture, moov whose chunk offsets all point to it.
    ///
    /// - Parameter entry: how the picture is to be read, as it is in stsd.
    private static func mp4(
        of picture: Data, _ entry: Data, width: Int, height: Int, samples: Int, interval: Double
    ) -> Data {
        let ticks = Int(interval * 1000)
        let matrix = numbers([0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000])
        let ftyp = box("ftyp", Data("isom".utf8) + numbers([512]) + Data("isomiso2".utf8))
        let table = [
            full("stsd", numbers([1]) + entry), full("stts", numbers([1, samples, ticks])),
            full("stsc", numbers([1, 1, 1, 1])), full("stsz", numbers([picture.count, samples])),
            full("stco", numbers([samples] + Array(repeating: ftyp.count + 8, count: samples))),
        ]
        let media = [
            full("mdhd", numbers([0, 0, 1000, samples * ticks]) + half(0x55C4) + half(0)),
            full("hdlr", numbers([0]) + Data("vide".utf8) + Data(count: 12) + Data("v\0".utf8)),
            box(
                "minf",
                full("vmhd", Data(count: 8)) + box("dinf", full("dref", numbers([1]) + full("url ", Data())))
                    + box("stbl", table.reduce(Data(), +))),
        ]
        let track =
            full(
                "tkhd",
                numbers([0, 0, 1, 0, samples * ticks]) + Data(count: 16) + matrix
                    + numbers([width << 16, height << 16]))
            + box("mdia", media.reduce(Data(), +))
        let header = full(
            "mvhd",
            numbers([0, 0, 1000, samples * ticks, 0x10000]) + half(256) + Data(count: 10) + matrix + Data(count: 24)
                + numbers([2]))
        return ftyp + box("mdat", picture) + box("moov", header + box("trak", track))
    }

    private static func box(_ name: String, _ content: Data) -> Data {
        numbers([8 + content.count]) + Data(name.utf8) + content
    }

    private static func full(_ name: String, _ content: Data) -> Data { box(name, Data(count: 4) + content) }

    private static func numbers(_ values: [Int]) -> Data {
        Data(values.flatMap { value in (0..<4).reversed().map { UInt8(value >> (8 * $0) & 255) } })
    }

    private static func half(_ value: Int) -> Data { Data([UInt8(value >> 8 & 255), UInt8(value & 255)]) }
}
