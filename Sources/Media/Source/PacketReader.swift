/// A packet of a file, as ffprobe tells of it. Times are seconds of the file's own clock.
struct Packet: Equatable, Sendable {
    /// The number of its stream in the file.
    var stream = 0
    /// When it is shown; `nil` in files that do not tell, like AVI with B-frames.
    var time: Double?
    /// When it is decoded.
    var decodingTime: Double?
    var duration = 0.0
    /// Bytes.
    var size = 0
    /// Bytes of the file before it; `nil` if the demuxer does not tell.
    var position: Int?
    /// Whether it can be decoded without another one.
    var isKey = false
    /// Whether it is decoded and not shown: an edit list cuts it off.
    var isDiscarded = false
    /// Whether the demuxer says that something of it is missing.
    var isCorrupt = false
    /// Whether the codec's parameters are other ones from here on.
    var hasNewParameters = false
    var isEncrypted = false
}

/// Reads what ffprobe writes of packets: `-of csv=p=0` of the entries below, a line for each packet and an empty one after a
/// packet with side data.
///
///     0,0.023000,0.023000,0.040000,4343,564,K_
///     1,3.018000,3.018000,0.023000,212,N/A,K_,New Extradata
struct PacketReader {
    /// What ffprobe is asked to show, in the order in which it shows it.
    static let entries =
        "packet=stream_index,pts_time,dts_time,duration_time,size,pos,flags:packet_side_data=side_data_type"

    /// Bytes of a line that are looked at: a packet has less than 100, and no more than a few kinds of side data.
    private static let lineLimit = 512

    private var line: [UInt8] = []
    private var packet: Packet?

    /// Takes a piece of ffprobe's output, and passes on each packet that is whole with it.
    mutating func read(_ piece: UnsafeRawBufferPointer, _ receive: (Packet) -> Void) {
        for byte in piece {
            if byte != UInt8(ascii: "\n") {
                if line.count < Self.lineLimit { line.append(byte) }
                continue
            }
            take(receive)
            line.removeAll(keepingCapacity: true)
        }
    }

    /// Passes on the last packet, at the end of the output.
    mutating func finish(_ receive: (Packet) -> Void) {
        if !line.isEmpty { take(receive) }
        line = []
        if let packet { receive(packet) }
        packet = nil
    }

    private mutating func take(_ receive: (Packet) -> Void) {
        let next = line.withUnsafeBufferPointer { Self.packet($0) }
        if let next {
            if let packet { receive(packet) }
            packet = next
        } else if var known = packet {
            // More side data of the packet before.
            line.withUnsafeBufferPointer { bytes in
                var rest = bytes[...]
                while let field = Self.field(&rest) { known.note(field) }
            }
            packet = known
        }
    }

    private typealias Bytes = Slice<UnsafeBufferPointer<UInt8>>

    /// Takes the next field of a line; `nil` at its end.
    private static func field(_ rest: inout Bytes) -> Bytes? {
        guard !rest.isEmpty else { return nil }
        let end = rest.firstIndex(of: UInt8(ascii: ",")) ?? rest.endIndex
        defer { rest = end < rest.endIndex ? rest[(end + 1)...] : rest[end...] }
        return rest[..<end]
    }

    /// The packet of a line; `nil` if it is of something else.
    private static func packet(_ line: UnsafeBufferPointer<UInt8>) -> Packet? {
        var rest = line[...]
        guard let stream = field(&rest).flatMap(number), let time = field(&rest), let decodingTime = field(&rest),
            let duration = field(&rest), let size = field(&rest), let position = field(&rest), let flags = field(&rest)
        else { return nil }
        var packet = Packet(stream: Int(stream), time: number(time), decodingTime: number(decodingTime))
        packet.duration = max(0, number(duration) ?? 0)
        // No packet has more: a demuxer counts in 32 bits.
        packet.size = Int(min(max(0, number(size) ?? 0), Double(1 << 31)))
        packet.position = number(position).flatMap { $0 >= 0 ? Int($0) : nil }
        packet.isKey = flags.contains(UInt8(ascii: "K"))
        packet.isDiscarded = flags.contains(UInt8(ascii: "D"))
        packet.isCorrupt = flags.contains(UInt8(ascii: "C"))
        while let sideData = field(&rest) { packet.note(sideData) }
        return packet
    }

    /// A number like `-0.021333`, `nil` for `N/A`.
    private static func number(_ text: Bytes) -> Double? {
        var (value, scale, isNegative) = (0.0, 0.0, false)
        guard !text.isEmpty else { return nil }
        for (index, byte) in zip(text.indices, text) {
            switch byte {
            case UInt8(ascii: "-") where index == text.startIndex: isNegative = true
            case UInt8(ascii: ".") where scale == 0: scale = 1
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                value = 10 * value + Double(byte - UInt8(ascii: "0"))
                scale *= 10
            default: return nil
            }
        }
        // Of more digits than a clock has, nothing is to be made.
        guard value < 1e15 else { return nil }
        let number = scale == 0 ? value : value / scale
        return isNegative ? -number : number
    }
}

extension Packet {
    /// Notes what ffprobe calls a kind of side data.
    fileprivate mutating func note(_ sideData: Slice<UnsafeBufferPointer<UInt8>>) {
        if sideData.elementsEqual("New Extradata".utf8) { hasNewParameters = true }
        if sideData.elementsEqual("Encryption info".utf8) { isEncrypted = true }
    }
}
