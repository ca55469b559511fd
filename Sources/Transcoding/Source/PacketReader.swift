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
        let fields = line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard fields.count >= 7, let stream = Self.number(fields[0]) else {
            // More side data of the packet before.
            for field in fields { note(field) }
            return
        }
        if let packet { receive(packet) }
        var next = Packet(stream: Int(stream), time: Self.number(fields[1]), decodingTime: Self.number(fields[2]))
        next.duration = max(0, Self.number(fields[3]) ?? 0)
        // No packet has more: a demuxer counts in 32 bits.
        next.size = Int(min(max(0, Self.number(fields[4]) ?? 0), Double(1 << 31)))
        next.position = Self.number(fields[5]).flatMap { $0 >= 0 ? Int($0) : nil }
        next.isKey = fields[6].contains(UInt8(ascii: "K"))
        next.isDiscarded = fields[6].contains(UInt8(ascii: "D"))
        next.isCorrupt = fields[6].contains(UInt8(ascii: "C"))
        packet = next
        for field in fields[7...] { note(field) }
    }

    private mutating func note(_ sideData: ArraySlice<UInt8>) {
        if sideData.elementsEqual("New Extradata".utf8) { packet?.hasNewParameters = true }
        if sideData.elementsEqual("Encryption info".utf8) { packet?.isEncrypted = true }
    }

    /// A number like `-0.021333`, `nil` for `N/A`.
    private static func number(_ text: ArraySlice<UInt8>) -> Double? {
        var (value, scale, isNegative) = (0.0, 0.0, false)
        guard !text.isEmpty else { return nil }
        for (index, byte) in text.enumerated() {
            switch byte {
            case UInt8(ascii: "-") where index == 0: isNegative = true
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
