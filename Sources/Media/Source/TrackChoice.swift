/// Which of a file's tracks a video is made of.
///
/// The rule, for pictures and sounds alike: what cannot be decoded, has no packet or is encrypted is not taken, nor a cover or
/// a picture of a time line. Of the rest, the ones before the others:
/// 1. sounds: those of a program that the picture is of, where a file has programs;
/// 2. pictures: those with more than one packet (a still has one);
/// 3. those that last at least half as long as the longest;
/// 4. pictures: those with at least a quarter of the pixels of the largest (a preview has fewer);
/// 5. those that are not a commentary, for the deaf, for the blind, or a dub;
/// 6. those that the file says are the default;
/// 7. the largest picture, the sound with the most channels;
/// 8. the first in the file.
struct TrackChoice: Equatable, Sendable {
    /// A track, as far as the choice goes by it.
    struct Candidate: Equatable, Sendable {
        enum Kind: Equatable, Sendable { case picture, sound }

        /// The number of the stream in the file.
        let number: Int
        let kind: Kind
        /// ffmpeg's name; `nil` if it knows no such codec or has no decoder for it.
        var codec: String?
        /// Pixels of a picture, or channels of a sound.
        var extent = 0
        var packets = 0
        /// Packets that are encrypted.
        var encrypted = 0
        /// Seconds.
        var duration = 0.0
        var isDefault = false
        /// A commentary, a dub, or for people who cannot hear or see.
        var isSpecial = false
        /// A cover, or a picture of a time line.
        var isCover = false
        /// The numbers of the programs it is of: a channel of television carries more than one.
        var programs: Set<Int> = []

        var isUsable: Bool { codec != nil && extent > 0 && packets > 0 && encrypted == 0 && !isCover }
    }

    /// The numbers of the streams.
    let picture: Int?
    let sound: Int?

    init(_ candidates: [Candidate]) {
        let best = Self.best(candidates.filter { $0.kind == .picture && $0.isUsable })
        picture = best?.number
        let programs = best?.programs ?? []
        let sounds = candidates.filter { $0.kind == .sound && $0.isUsable }
        sound = Self.best(Self.first(sounds) { !$0.programs.isDisjoint(with: programs) })?.number
    }

    /// Those that are so, or all if none is.
    private static func first(_ candidates: [Candidate], _ isSo: (Candidate) -> Bool) -> [Candidate] {
        let those = candidates.filter(isSo)
        return those.isEmpty ? candidates : those
    }

    private static func best(_ candidates: [Candidate]) -> Candidate? {
        let moving = first(candidates) { $0.kind == .sound || $0.packets > 1 }
        let longest = moving.map(\.duration).max() ?? 0
        let lasting = moving.filter { $0.duration >= longest / 2 }
        let largest = lasting.map(\.extent).max() ?? 0
        let whole = lasting.filter { $0.kind == .sound || $0.extent >= largest / 4 }
        func rank(_ one: Candidate) -> [Int] {
            [one.isSpecial ? 0 : 1, one.isDefault ? 1 : 0, one.extent, -one.number]
        }
        return whole.max { rank($0).lexicographicallyPrecedes(rank($1)) }
    }
}

extension TrackChoice {
    /// Chooses by what ffprobe tells of a file's streams and their packets.
    init(_ report: ProbeReport, _ streams: [Int: ProbeReport.Stream], _ packets: [Int: TrackPackets]) {
        var programs: [Int: Set<Int>] = [:]
        for program in report.programs ?? [] {
            guard let id = program.program_id else { continue }
            for number in (program.streams ?? []).compactMap(\.index) { programs[number, default: []].insert(id) }
        }
        self.init(
            streams.sorted { $0.key < $1.key }.map { number, stream in
                var candidate = Candidate(number, stream, packets[number] ?? TrackPackets())
                candidate.programs = programs[number] ?? []
                return candidate
            })
    }
}

extension TrackChoice.Candidate {
    fileprivate init(_ number: Int, _ stream: ProbeReport.Stream, _ packets: TrackPackets) {
        let isPicture = stream.codec_type == "video"
        self.init(number: number, kind: isPicture ? .picture : .sound)
        if isPicture {
            codec = stream.pix_fmt == nil ? nil : stream.knownCodec
            extent = stream.codedSize?.pixels ?? 0
        } else {
            // What has no decoder has no format of samples.
            let hasRate = stream.sample_rate.flatMap { Int($0) } ?? 0 > 0
            codec = hasRate && stream.sample_fmt ?? "unknown" != "unknown" ? stream.knownCodec : nil
            extent = stream.channels ?? 0
        }
        self.packets = packets.runs.isEmpty ? 0 : packets.count
        encrypted = stream.isEncrypted ? packets.count : packets.encrypted
        duration = packets.runs.reduce(0) { $0 + max(0, $1.end - $1.start) }
        func isMarked(_ names: String...) -> Bool { names.contains { stream.disposition?[$0] == 1 } }
        isDefault = isMarked("default")
        isSpecial = isMarked("dub", "comment", "hearing_impaired", "visual_impaired")
        isCover = isMarked("attached_pic", "timed_thumbnails")
    }
}
