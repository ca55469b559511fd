import Foundation

/// A short video in one of the forms that cameras, recorders and downloaders give a file. Each is made once.
package enum ContainerSample: String, CaseIterable, Sendable {
    case mp4, mov, fragments
    case stypFirst, freeFirst, uuidFirst, unknownBoxFirst, mdatFirst, longMdatFirst
    case avi, flv, matroska, webM
    case transportStream, m2ts, withCheckSums, cutTransportStream, cutM2TS, pictureBeforeTransportStream
    case programStream, mpeg1, cutProgramStream, systemHeaderFirst
    case asf

    /// Its bytes, 2 s of picture and sound.
    package var bytes: [UInt8] {
        get throws {
            try Self.made.withLock { made in
                if let bytes = made[self] { return bytes }
                let bytes = try make(&made)
                made[self] = bytes
                return bytes
            }
        }
    }

    private static let made: Locked<[ContainerSample: [UInt8]]> = Locked([:])

    private func make(_ made: inout [ContainerSample: [UInt8]]) throws -> [UInt8] {
        func other(_ sample: ContainerSample) throws -> [UInt8] {
            if let bytes = made[sample] { return bytes }
            let bytes = try sample.make(&made)
            made[sample] = bytes
            return bytes
        }

        func box(_ type: String, _ content: [UInt8] = []) -> [UInt8] {
            let size = UInt32(8 + content.count)
            return withUnsafeBytes(of: size.bigEndian, Array.init) + Array(type.utf8) + content
        }
        // What a recorder has left of the packet before: never five sync bytes in a row.
        let cut = (0..<700).map { UInt8(truncatingIfNeeded: $0 &* 89 &+ 3) }
        let h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
        switch self {
        case .mp4: return try Self.ffmpeg(h264 + ["-f", "mp4"])
        case .mov: return try Self.ffmpeg(h264 + ["-f", "mov"])
        case .fragments:
            return try Self.ffmpeg(
                h264 + ["-g", "25", "-f", "mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof"])
        case .stypFirst: return box("styp", Array("msdh\0\0\0\0msdhmsix".utf8)) + (try other(.fragments))
        case .freeFirst:
            return box("free", [UInt8](repeating: 0, count: 20_000)) + box("skip") + (try other(.fragments))
        case .uuidFirst: return box("uuid", [UInt8](repeating: 7, count: 100)) + (try other(.fragments))
        case .unknownBoxFirst: return box("abcd", Array("0123".utf8)) + (try other(.fragments))
        case .mdatFirst:
            // As QuickTime has written it before there was `ftyp`: the index at the end, a place for a longer size.
            return box("wide") + (try Self.withoutType(other(.mov)))
        case .longMdatFirst:
            return [0, 0, 0, 1] + Array("mdat".utf8) + [0, 0, 0, 0, 0, 0, 0, 24] + [UInt8](repeating: 0, count: 8)
                + (try other(.fragments))
        case .avi: return try Self.ffmpeg(["-c:v", "mpeg4", "-c:a", "mp3", "-f", "avi"])
        case .flv: return try Self.ffmpeg(h264 + ["-f", "flv"])
        case .matroska: return try Self.ffmpeg(h264 + ["-f", "matroska"])
        case .webM:
            return try Self.ffmpeg([
                "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-ar", "48000", "-c:a", "libopus", "-f",
                "webm",
            ])
        case .transportStream: return try Self.ffmpeg(h264 + ["-f", "mpegts"])
        case .m2ts: return try Self.ffmpeg(h264 + ["-f", "mpegts", "-mpegts_m2ts_mode", "1"])
        case .withCheckSums:
            let packets = try other(.transportStream)
            return stride(from: 0, to: packets.count, by: 188).flatMap {
                packets[$0..<$0 + 188] + [UInt8](repeating: 0xAA, count: 16)
            }
        case .cutTransportStream: return cut + (try other(.transportStream))
        case .cutM2TS: return cut + (try other(.m2ts))
        case .pictureBeforeTransportStream:
            return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + cut.prefix(204) + (try other(.transportStream))
        case .programStream: return try Self.ffmpeg(["-c:v", "mpeg2video", "-c:a", "mp2", "-f", "vob"])
        case .mpeg1: return try Self.ffmpeg(["-c:v", "mpeg1video", "-c:a", "mp2", "-f", "mpeg"])
        case .cutProgramStream: return cut + (try other(.programStream))
        case .systemHeaderFirst: return Array(try other(.mpeg1).dropFirst(12))
        case .asf: return try Self.ffmpeg(["-c:v", "wmv2", "-c:a", "wmav2", "-f", "asf"])
        }
    }

    /// A QuickTime file from its pictures on. It has no table of places before them, so the boxes in front may go if
    /// something as long takes their place.
    private static func withoutType(_ file: [UInt8]) throws -> [UInt8] {
        // ftyp (20 bytes), wide (8), mdat, moov: the 20 bytes become a free box behind the first `wide`.
        guard file[4..<8].elementsEqual("ftyp".utf8), file[3] == 20 else {
            throw NotReady("ffmpeg's mov begins otherwise")
        }
        return [0, 0, 0, 12] + Array("free".utf8) + [0, 0, 0, 0] + file[20...]
    }

    /// Has ffmpeg make a video, or a sound or a picture, with these arguments.
    package static func ffmpeg(_ arguments: [String]) throws -> [UInt8] {
        let directory = try makeTemporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("sample")
        let made = try ChildProcess.run(
            "ffmpeg",
            [
                "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=176x144:rate=25", "-f", "lavfi", "-i",
                "sine=frequency=440:sample_rate=44100", "-t", "2",
            ] + arguments + [file.path], within: 120)
        guard made.end == .exit(0) else { throw NotReady("ffmpeg: \(made.errors)") }
        return Array(try Data(contentsOf: file))
    }
}
