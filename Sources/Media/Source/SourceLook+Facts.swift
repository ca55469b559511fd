import Foundation

/// What was found out about a video, for people.
extension SourceLook {
    /// Each fact's name and value, in the order in which they are to be shown.
    var facts: [(name: String, value: String)] {
        let video = information.video
        var facts = [("container", format.rawValue), ("length", Self.text(duration) + " s")]
        if let announced { facts.append(("announced length", Self.text(announced) + " s")) }
        facts += [
            (
                "picture",
                "track \(picture), \(video.codec)\(video.profile.isEmpty ? "" : " " + video.profile), \(video.size), "
                    + (video.codedSize == video.size ? "" : "stored as \(video.codedSize), ") + video.pixelFormat
            ),
            ("pictures", "\(pictures.count), \(pictures.keyCount) of them key pictures"),
            ("cadence", "\(cadence) a second; the longest still is \(Self.text(longestStill)) s"),
            ("fields", interlacing.description),
            ("colours", Self.colours(video)),
        ]
        if let sound, let audio = information.audio {
            facts.append(
                ("sound", "track \(sound), \(audio.codec), \(audio.channels) channels, \(audio.sampleRate) a second"))
        } else {
            facts.append(("sound", trackCount > 1 ? "none that can be decoded" : "none"))
        }
        let encrypted = encryptedCount == 0 ? "" : ", \(encryptedCount) of them encrypted"
        facts.append(("tracks", "\(trackCount) of picture and sound\(encrypted)"))
        facts.append(("clock", clock))
        facts.append(("end", isCutOff ? "missing" : "there"))
        facts.append(("picture as it is", pictureObstacle ?? "can be copied"))
        if timeline.sound != nil { facts.append(("sound as it is", soundObstacle ?? "can be copied")) }
        return facts.map { (name: $0.0, value: $0.1) }
    }

    private var clock: String {
        let runs = max(timeline.picture.steps.count, timeline.sound?.steps.count ?? 0)
        if timeline.isCounted { return "stands still" }
        if timeline.isRepaired { return "jumps \(runs - 1) times" }
        return "begins at \(Self.text(-timeline.zero)) s"
    }

    private static func colours(_ video: MediaInformation.Video) -> String {
        let names = [video.transfer, video.primaries].filter { !$0.isEmpty }
        return (names.isEmpty ? "not said" : names.joined(separator: ", ")) + (video.isWide ? ": mapped to BT.709" : "")
    }

    /// Seconds to the millisecond.
    private static func text(_ seconds: Double) -> String { String(format: "%.3f", seconds) }
}
