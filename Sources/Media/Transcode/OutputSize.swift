/// How many bytes a step may write, known before it begins: what a file tells of itself, and what it repeats, makes no more.
struct OutputSize: Equatable, Sendable {
    /// A tool that writes more is ended.
    let limit: Int
    /// Room that must be there before it begins, beside the reserve.
    let room: Int

    /// What every file has beside its packets.
    private static let base = 1.0 * 1024 * 1024
    /// What encoding makes of a source in any case, and how many times its length: three qualities and a file for the same
    /// pictures. Where a strange source makes more of less, the looks at the room that is left end it.
    private static let encodedBase = 16.0 * 1024 * 1024
    private static let encodedShare = 2.0
    /// Seconds of its bit rate that an encoder may be ahead: its buffer has two.
    private static let ahead = 10.0

    init(limit: Double, room: Double) {
        self.limit = Int(min(limit, 1e15))
        self.room = Int(min(room, limit, 1e15))
    }

    /// Of a tool that only reads, like a decoder without an encoder.
    static let none = OutputSize(limit: 0, room: 0)

    /// Of a picture: as much as is read again.
    static let picture = OutputSize(limit: 16 * 1024 * 1024, room: 4 * 1024 * 1024)

    /// Of a command, which nothing is known of but that the operator wants it.
    static func command(_ limits: TranscodingLimits) -> OutputSize {
        OutputSize(limit: Double(limits.fileSize), room: 0)
    }

    /// Of packets that are copied: those of the file, once, and an index.
    static func copied(_ cost: TranscodingCost, duration: Double) -> OutputSize {
        // An entry of the index has up to 24 bytes; a sound has up to 94 packets a second.
        let index = 32 * (Double(cost.pictures) + 100 * duration)
        let bytes = Double(cost.bytes) + index + base
        return OutputSize(limit: bytes, room: bytes)
    }

    /// Of what is encoded.
    ///
    /// - Parameter bitRate: bits per second that it does not exceed for long, as far as the encoder can help it: pictures of
    ///   noise may take twice as many.
    static func encoded(bitRate: Int, _ cost: TranscodingCost, duration: Double) -> OutputSize {
        let bytes = Double(bitRate) / 8 * (duration + ahead) + base
        return OutputSize(limit: 2 * bytes, room: min(bytes, encodedShare * Double(cost.bytes) + encodedBase))
    }

    static func + (a: OutputSize, b: OutputSize) -> OutputSize {
        OutputSize(limit: Double(a.limit) + Double(b.limit), room: Double(a.room) + Double(b.room))
    }
}
