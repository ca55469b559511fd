/// What may be copied.
extension SourceLook {
    /// Seconds that a picture may stand still, a sound be missing, and one end before the other, in what is copied.
    private static let longestGap = 0.5
    private static let longestSilence = 0.2
    private static let tolerance = 0.2

    /// Why the packets of the picture cannot go into an MP4 as they are; `nil` if they can: players take them, nothing changes
    /// in them, none is missing, and they fill the time line.
    var pictureObstacle: String? {
        let video = information.video
        if !video.isPlayedEverywhere { return "not all players take it" }
        if max(video.codedSize.width, video.codedSize.height) > 4096 || video.level > 52 { return "it is too large" }
        if !format.hasTimestamps { return "its container does not tell when each is shown" }
        if video.isWide { return "its colours are wide" }
        if interlacing != .none { return "it is interlaced" }
        if pictures.packetsBeforeKey > 0 { return "its first key picture is missing" }
        if longestStill > Self.longestGap { return "it stands still" }
        if video.isReordered, !pictures.isReordered { return "its pictures have the times of another order" }
        return pictures.obstacle ?? obstacle(timeline.picture)
    }

    /// The same of the sound.
    var soundObstacle: String? {
        guard let sounds, let sound = timeline.sound else { return "there is none" }
        if information.audio?.codec != "aac" { return "not all players take it" }
        if !format.hasTimestamps { return "its container does not tell when each is heard" }
        if pictures.packetsBeforeKey > 0 { return "it begins before the first key picture" }
        if sounds.longestGap > Self.longestSilence { return "it has gaps" }
        return sounds.obstacle ?? obstacle(sound)
    }

    private func obstacle(_ track: Timeline.Track) -> String? {
        if timeline.isRepaired { return "the clock \(timeline.isCounted ? "stands still" : "jumps")" }
        if track.start > Self.tolerance / 2 { return "it begins later" }
        return abs(track.end - duration) > Self.tolerance ? "it ends sooner" : nil
    }
}

extension TrackPackets {
    /// `nil` if all of its packets are shown, one after the other, with the same parameters.
    fileprivate var obstacle: String? {
        if standsStill { return "its clock stands still" }
        if runs.count != 1 || hasTooManyRuns { return "its clock jumps" }
        if withoutTime > 0 { return "it has packets without a time" }
        if stepsBack > 0 { return "its clock steps back" }
        if cutOff > 0 { return "an edit list cuts some of it off" }
        if corrupt > 0 { return "some of it is missing" }
        return changes > 0 ? "its parameters change" : nil
    }
}

extension MediaInformation.Video {
    /// Whether it is H.264 that every browser decodes.
    var isPlayedEverywhere: Bool {
        codec == "h264" && pixelFormat == "yuv420p" && !isInterlaced
            && ["Constrained Baseline", "Baseline", "Main", "Constrained High", "High"].contains(profile)
    }
}
