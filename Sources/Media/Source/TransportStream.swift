import Glibc
import System

/// The program of a transport stream, followed packet by packet, and the numbers that its tracks have first.
///
/// Where parts are joined, or after an advertisement, a program goes on with other tables and its tracks under other numbers.
/// ffmpeg takes these for tracks of their own; here they get the numbers that the same ones had before. A stream with more than
/// one program at a time is left alone. ISO/IEC 13818-1, sections 2.4.3 and 2.4.4.
struct TransportProgram {
    /// Bytes of a packet.
    static let packetSize = 188

    private struct Track: Equatable {
        let number: Int
        /// The number of its codec in a table; of those that have more than one, always the same.
        let codec: Int

        /// ISO/IEC 13818-1, table 2-34, and what ATSC and Blu-ray add.
        var isPicture: Bool { [0x02, 0x10, 0x1B, 0x24, 0x33, 0x42, 0xD1, 0xD2, 0xEA].contains(codec) }
        var isSound: Bool {
            [0x03, 0x0F, 0x11, Self.opus, Self.samples].contains(codec) || (0x80...0x87).contains(codec)
        }

        /// Private, and it does not say what it is.
        static let unknown = 0x06
        /// No numbers of tables: they are private, and say what they are.
        static let opus = 0x100
        static let samples = 0x101

        /// Whether one is a picture where the other is, or a sound.
        func isLike(_ other: Track) -> Bool { isPicture && other.isPicture || isSound && other.isSound }

        /// Whether the other one goes on as it under the same number.
        func isSame(_ other: Track) -> Bool {
            number == other.number && (codec == other.codec || [codec, other.codec].contains(Self.unknown))
        }
    }

    /// What its packets get.
    private struct Target {
        let number: Int
        /// What is added to their counter, so that none seems to be missing.
        var shift: UInt8?
    }

    /// Whether ffmpeg would lose packets that belong to its tracks, or take others for theirs.
    private(set) var isRenumbered = false
    /// Whether a picture or a sound is lost all the same: it goes on in another codec, or begins under other tables.
    private(set) var losesTrack = false

    /// Its sounds and pictures most of whose packets are scrambled.
    var scrambledSounds: Int { tracks.count { $0.isSound && scrambled[$0.number, default: 0] > 0 } }
    var scrambledPictures: Int { tracks.count { $0.isPicture && scrambled[$0.number, default: 0] > 0 } }

    private var hasMorePrograms = false
    /// The number of its table, of the first one too.
    private var table: Int?
    private var firstTable: Int?
    /// As they are numbered first.
    private var tracks: [Track] = []
    private var targets: [Int: Target] = [:]
    /// Numbers of tracks that are lost.
    private var lost: Set<Int> = []
    /// Packets with each first number that are scrambled, less those that are not.
    private var scrambled: [Int: Int] = [:]
    /// Of the last packet with each first number.
    private var counters: [Int: UInt8] = [:]
    private var lastTables: [Int: [UInt8]] = [:]
    /// Other tables that are still read: a stream may have another one in each packet.
    private var tablesLeft = 10_000
    private static let mostTracks = 64
    private var hidesTable = false

    /// What fills a stream up: no demuxer looks at it.
    private static let filling = 0x1FFF

    /// Takes the next packet, and gives it the number that its track has first. Tables that tell of other numbers are hidden.
    mutating func take(_ packet: UnsafeMutableRawBufferPointer) {
        guard !hasMorePrograms, packet[0] == 0x47 else { return }
        let number = Int(packet[1] & 0x1F) << 8 | Int(packet[2])
        if number == 0 {
            if let section = section(of: 0, in: packet) { readPrograms(section) }
            if let table, table != firstTable { renumber(packet, Self.filling) }
        } else if number == table {
            if let section = section(of: 2, in: packet) { readTracks(section) }
            if hidesTable { renumber(packet, Self.filling) }
        } else if let target = targets[number] {
            if lost.contains(number) { losesTrack = true }
            let hasPayload = packet[3] & 0x10 != 0
            if hasPayload { scrambled[target.number, default: 0] += packet[3] & 0xC0 == 0 ? -1 : 1 }
            var counter = packet[3] & 0x0F
            let shift =
                target.shift ?? counters[target.number].map { ($0 &+ (hasPayload ? 1 : 0) &- counter) & 0x0F } ?? 0
            if target.shift == nil { targets[number]?.shift = shift }
            counter = (counter &+ shift) & 0x0F
            packet[3] = packet[3] & 0xF0 | counter
            counters[target.number] = counter
            if target.number != number { renumber(packet, target.number) }
            // Under the same table it finds the same tracks.
            if target.number == Self.filling || target.number != number && table != firstTable { isRenumbered = true }
        }
    }

    private func renumber(_ packet: UnsafeMutableRawBufferPointer, _ number: Int) {
        packet[1] = packet[1] & 0xE0 | UInt8(number >> 8)
        packet[2] = UInt8(number & 0xFF)
    }

    /// What is in a table, without its head and checksum, if the packet has all of it, and it is not the one before again.
    private mutating func section(of kind: UInt8, in packet: UnsafeMutableRawBufferPointer) -> [UInt8]? {
        // A section begins, and there is a payload that is not scrambled.
        guard tablesLeft > 0, packet[1] & 0x40 != 0, packet[3] & 0xD0 == 0x10 else { return nil }
        var start = 4 + (packet[3] & 0x20 != 0 ? 1 + Int(packet[4]) : 0)
        guard start < Self.packetSize else { return nil }
        start += 1 + Int(packet[start])
        guard start + 8 <= Self.packetSize, packet[start] == kind, packet[start + 5] & 1 == 1 else { return nil }
        let length = Int(packet[start + 1] & 0x0F) << 8 | Int(packet[start + 2])
        guard length >= 9, start + 3 + length <= Self.packetSize else { return nil }
        let bytes = packet[start..<start + 3 + length]
        if let last = lastTables[Int(kind)], last.elementsEqual(bytes) { return nil }
        tablesLeft -= 1
        guard Self.checksum(bytes) == 0 else { return nil }
        lastTables[Int(kind)] = Array(bytes)
        return Array(bytes.dropFirst(8).dropLast(4))
    }

    private mutating func readPrograms(_ section: [UInt8]) {
        var tables: [Int] = []
        for entry in stride(from: 0, to: section.count - 3, by: 4) where section[entry] != 0 || section[entry + 1] != 0
        {
            tables.append(Int(section[entry + 2] & 0x1F) << 8 | Int(section[entry + 3]))
        }
        hasMorePrograms = tables.count > 1
        guard let number = tables.first, tables.count == 1, number != table else { return }
        table = number
        firstTable = firstTable ?? number
        lastTables[2] = nil
        hidesTable = number != firstTable
    }

    private mutating func readTracks(_ section: [UInt8]) {
        guard section.count >= 4 else { return }
        var found: [Track] = []
        var place = 4 + (Int(section[2] & 0x0F) << 8 | Int(section[3]))
        while place + 5 <= section.count {
            let number = Int(section[place + 1] & 0x1F) << 8 | Int(section[place + 2])
            let next = place + 5 + (Int(section[place + 3] & 0x0F) << 8 | Int(section[place + 4]))
            guard next <= section.count else { return }
            found.append(Track(number: number, codec: Self.codec(section[place], section[(place + 5)..<next])))
            place = next
        }
        follow(found)
    }

    /// The codec of a type of stream, of a private one by DVB's descriptors or a registration: ETSI EN 300 468, section 6.1.
    private static func codec(_ type: UInt8, _ descriptors: ArraySlice<UInt8>) -> Int {
        switch type {
        case 0x01: return 0x02
        case 0x04: return 0x03
        case 0x84: return 0x87
        case 0x85, 0x86: return 0x82
        case 0x06: break
        default: return Int(type)
        }
        var rest = descriptors
        while rest.count >= 2 {
            let (tag, length) = (rest.removeFirst(), Int(rest.removeFirst()))
            guard length <= rest.count else { break }
            switch (tag, String(decoding: rest.prefix(min(length, 4)), as: UTF8.self)) {
            case (0x6A, _), (0x05, "AC-3"): return 0x81
            case (0x7A, _), (0x05, "EAC3"): return 0x87
            case (0x7B, _), (0x05, "DTS1"), (0x05, "DTS2"), (0x05, "DTS3"): return 0x82
            case (0x05, "Opus"): return Track.opus
            case (0x05, "BSSD"): return Track.samples
            default: rest = rest.dropFirst(length)
            }
        }
        return Track.unknown
    }

    /// Finds the first number of each track of a new table: that of the same one, else of the next one of its kind.
    private mutating func follow(_ found: [Track]) {
        var left = tracks
        var numbers: [Int: Int] = [:]
        for track in found {
            guard let place = left.firstIndex(where: track.isSame) else { continue }
            left.remove(at: place)
            numbers[track.number] = track.number
        }
        lost = []
        var begun: Set<Int> = []
        for track in found where numbers[track.number] == nil {
            if let place = left.firstIndex(where: { $0.codec == track.codec }) {
                numbers[track.number] = left.remove(at: place).number
            } else {
                let isNew = !left.contains(where: track.isLike)
                let isFree = !tracks.contains { $0.number == track.number }
                numbers[track.number] = isFree ? track.number : Self.filling
                if !isNew || !isFree {
                    if track.isPicture || track.isSound { lost.insert(track.number) }
                } else if tracks.count < Self.mostTracks {
                    tracks.append(track)
                    if track.isPicture || track.isSound { begun.insert(track.number) }
                }
            }
        }
        hidesTable = table != firstTable || numbers.contains { $0 != $1 }
        // No demuxer hears of them.
        if hidesTable { lost.formUnion(begun) }
        let before = targets
        targets = numbers.reduce(into: [:]) { targets, entry in
            let (number, target) = entry
            targets[number] = before[number].flatMap { $0.number == target ? $0 : nil } ?? Target(number: target)
        }
    }

    /// CRC-32 as tables have it, 0 over a whole one: ISO/IEC 13818-1, annex A.
    private static func checksum(_ bytes: Slice<UnsafeMutableRawBufferPointer>) -> UInt32 {
        bytes.reduce(UInt32.max) { sum, byte in
            (0..<8).reduce(sum ^ UInt32(byte) << 24) { sum, _ in sum & 1 << 31 != 0 ? sum << 1 ^ 0x04C1_1DB7 : sum << 1
            }
        }
    }
}

/// A copy of a transport stream in which its tracks have one number each from beginning to end.
/// It is in the directory of the result until that is made.
enum RenumberedStream {
    static let name = "renumbered.ts"
    /// Bytes that are read at once.
    private static let pieceSize = 1 << 20

    /// Follows the program of a stream. Of another container nothing is read.
    static func program(of source: SourceFile, _ tools: ToolRunner) throws(TranscodingError) -> TransportProgram {
        guard source.format == .mpegTS else { return TransportProgram() }
        return try follow(source, tools) { _, _ in }
    }

    /// Writes the copy.
    /// - Throws: `noSpace` if there is no room for it.
    static func make(of source: SourceFile, _ tools: ToolRunner) throws(TranscodingError) -> SourceFile {
        let bytes = try source.length()
        guard tools.takeRoom(bytes) else {
            throw TranscodingError(.noSpace, "there is no room for the \(bytes) bytes of a copy")
        }
        defer { _ = tools.takeRoom(0) }
        try tools.directory.removeFile(name)
        let copy = try io { () throws(SystemError) in
            let directory = try Descriptor(directory: tools.directory.path)
            return StoredFile(try Descriptor(at: directory, name, O_WRONLY | O_CREAT | O_EXCL, mode: 0o644))
        }
        _ = try follow(source, tools) { piece, offset throws(SystemError) in
            try copy.write(piece, at: offset)
            _ = tools.takeRoom(max(0, bytes - offset - piece.count))
        }
        return SourceFile(path: "\(tools.directory.path)/\(name)", format: .mpegTS)
    }

    /// Reads a stream from beginning to end. `pass` gets its packets, a piece at a time, and its offset.
    private static func follow(
        _ source: SourceFile, _ tools: ToolRunner,
        pass: (UnsafeRawBufferPointer, Int) throws(SystemError) -> Void
    ) throws(TranscodingError) -> TransportProgram {
        var program = TransportProgram()
        let file = try io { () throws(SystemError) in try source.open() }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceSize, alignment: 4096)
        defer { buffer.deallocate() }
        var offset = 0
        // Cameras put 4 bytes before each packet.
        var before = 0
        while true {
            if tools.isCancelled() { throw TranscodingError(.cancelled, "cancelled") }
            let count = try io { () throws(SystemError) in try file.read(into: buffer, at: offset) }
            if offset == 0, count > 4 * 192, (0..<4).allSatisfy({ buffer[4 + 192 * $0] == 0x47 }) { before = 4 }
            var done = take(buffer.prefix(count), before: before, &program)
            // What is left is no packet.
            if count < buffer.count { done = count }
            try io { () throws(SystemError) in
                try pass(UnsafeRawBufferPointer(UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(done))), offset)
            }
            offset += done
            if count < buffer.count { return program }
        }
    }

    /// Passes on the packets that are whole. Where there is none, the next one is looked for.
    /// - Returns: bytes that have been looked at.
    private static func take(
        _ bytes: Slice<UnsafeMutableRawBufferPointer>, before: Int, _ program: inout TransportProgram
    ) -> Int {
        let size = before + TransportProgram.packetSize
        var place = 0
        while place + 2 * size <= bytes.count {
            if bytes[place + before] == 0x47 {
                program.take(UnsafeMutableRawBufferPointer(rebasing: bytes[(place + before)..<(place + size)]))
                place += size
            } else {
                place += 1
                while place + 2 * size <= bytes.count,
                    bytes[place + before] != 0x47 || bytes[place + before + size] != 0x47
                {
                    place += 1
                }
            }
        }
        if bytes.count < pieceSize, place + size <= bytes.count, bytes[place + before] == 0x47 {
            program.take(UnsafeMutableRawBufferPointer(rebasing: bytes[(place + before)..<(place + size)]))
        }
        return place
    }
}
