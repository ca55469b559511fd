/// The packets of all tracks of picture and sound, in the order in which a file is read.
struct FilePackets {
    private(set) var tracks: [Int: TrackPackets]
    private let pictures: Set<Int>
    /// When the last picture and the last piece of sound are decoded that were read.
    private var lastPicture: Double?
    private var lastSound: Double?

    /// - Parameters:
    ///   - pictures: the numbers of the streams.
    ///   - sounds: the same.
    init(pictures: some Sequence<Int>, sounds: some Sequence<Int>) {
        self.pictures = Set(pictures)
        tracks = [:]
        for number in self.pictures.union(sounds) { tracks[number] = TrackPackets() }
    }

    init(_ streams: [Int: ProbeReport.Stream]) {
        self.init(
            pictures: streams.filter { $0.value.codec_type == "video" }.keys,
            sounds: streams.filter { $0.value.codec_type != "video" }.keys)
    }

    mutating func take(_ packet: Packet) {
        let isPicture = pictures.contains(packet.stream)
        tracks[packet.stream]?.take(packet, beside: isPicture ? lastSound : lastPicture)
        guard tracks[packet.stream] != nil, let time = packet.decodingTime ?? packet.time else { return }
        if isPicture { lastPicture = time } else { lastSound = time }
    }

    /// After the last packet.
    mutating func finish() {
        for number in tracks.keys { tracks[number]?.finish() }
    }
}
