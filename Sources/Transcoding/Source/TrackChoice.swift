/// Which of a file's tracks a video is made of.
///
/// The rule, for pictures and sounds alike: what cannot be decoded, has no packet or is encrypted is not taken, nor a cover or
/// a picture of a time line. Of the rest, the ones before the others:
/// 1. pictures: those with more than one packet (a still or a preview has one);
/// 2. those that are not a commentary, for the deaf, for the blind, or a dub;
/// 3. those that the file says are the default;
/// 4. pictures: the largest; sounds: the one with the most channels, if it lasts at least half as long as the longest;
/// 5. the first in the file.
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

        var isUsable: Bool { codec != nil && extent > 0 && packets > 0 && encrypted == 0 && !isCover }
    }

    /// The numbers of the streams.
    let picture: Int?
    let sound: Int?

    init(_ candidates: [Candidate]) {
        picture = Self.best(candidates.filter { $0.kind == .picture && $0.isUsable })?.number
        sound = Self.best(candidates.filter { $0.kind == .sound && $0.isUsable })?.number
    }

    private static func best(_ candidates: [Candidate]) -> Candidate? {
        let longest = candidates.map(\.duration).max() ?? 0
        func rank(_ one: Candidate) -> [Int] {
            [
                one.kind == .picture && one.packets > 1 ? 1 : 0,
                one.isSpecial ? 0 : 1,
                one.isDefault ? 1 : 0,
                one.kind == .picture || one.duration >= longest / 2 ? one.extent : 0,
                -one.number,
            ]
        }
        return candidates.max { rank($0).lexicographicallyPrecedes(rank($1)) }
    }
}
