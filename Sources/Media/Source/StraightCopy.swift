/// A copy of a video's packets with the times of its time line, for a source of which the demuxer would lose some, or would not
/// read all.
///
/// It is in the directory of the result until that is made.
enum StraightCopy {
    static let name = "straight.mp4"

    /// Copies the chosen tracks, and looks at the copy.
    ///
    /// - Parameter look: one that `losesPackets` and `isCountable`.
    /// - Throws: `toolFailed` or `unsupported` if its packets cannot be copied.
    static func make(
        of look: SourceLook, _ tools: ToolRunner
    ) throws(TranscodingError) -> SourceLook {
        var arguments = ["-map", "0:\(look.picture)", "-bsf:v", times(look.timeline.picture)]
        if let number = look.sound, let sound = look.timeline.sound {
            arguments += ["-map", "0:\(number)", "-bsf:a", times(sound)]
        }
        try tools.run(
            // All packets, or they would be counted wrongly.
            FFmpeg.command + ["-copyts"] + look.source.arguments(sideLimit: tools.limits.side) + arguments
                + FFmpeg.streamsOnly + ["-c", "copy", "-copyinkf", "-strict", "-2", "-f", "mp4", "-y", "file:\(name)"],
            writing: .copied(look.cost, duration: look.duration))
        let copy = SourceFile(path: "\(tools.directory.path)/\(name)", format: .mp4)
        do throws(TranscodingError) {
            return try SourceLook.of(copy, bytes: look.cost.bytes, tools).told(by: look)
        } catch  where error.isOfFile {
            throw TranscodingError(.toolFailed, "\(name): \(error.reason)", output: error.output)
        }
    }

    /// Copies the tracks of a file that is cut off, each of them to its own end.
    ///
    /// - Throws: `toolFailed` or `unsupported` if its packets cannot be copied.
    static func makeApart(
        of source: SourceFile, picture: Int, sound: Int?, writing size: OutputSize, _ tools: ToolRunner
    ) throws(TranscodingError) -> SourceFile {
        func input(without kind: String) -> [String] {
            ["-discard:\(kind)", "all"] + source.arguments(sideLimit: tools.limits.side)
        }
        var arguments = input(without: "a") + (sound == nil ? [] : input(without: "v")) + ["-map", "0:\(picture)"]
        if let sound { arguments += ["-map", "1:\(sound)"] }
        return try copy(arguments, writing: size, tools)
    }

    /// Copies the pictures of a file, and its sounds but one, or but all.
    ///
    /// - Parameter left: the number of the stream that is left out.
    /// - Throws: `toolFailed` or `unsupported` if its packets cannot be copied.
    static func make(
        of source: SourceFile, without left: Int, keepsSounds: Bool, writing size: OutputSize, _ tools: ToolRunner
    ) throws(TranscodingError) -> SourceFile {
        let sounds = keepsSounds ? ["-map", "0:a", "-map", "-0:\(left)"] : []
        return try copy(
            source.arguments(sideLimit: tools.limits.side) + ["-map", "0:v"] + sounds, writing: size, tools)
    }

    /// Copies tracks at the times that they have.
    ///
    /// - Parameter arguments: the inputs, and which tracks of them.
    private static func copy(
        _ arguments: [String], writing size: OutputSize, _ tools: ToolRunner
    ) throws(TranscodingError) -> SourceFile {
        try tools.run(
            FFmpeg.command + ["-copyts"] + arguments + FFmpeg.streamsOnly + FFmpeg.inStep
                + ["-c", "copy", "-copyinkf", "-strict", "-2", "-f", "mov", "-y", "file:\(name)"],
            writing: size)
        return SourceFile(path: "\(tools.directory.path)/\(name)", format: .mp4)
    }

    /// The filter that puts packets where they belong, by their numbers.
    private static func times(_ track: Timeline.Track) -> String {
        var offset = 0.0
        let terms = track.steps.map { step in
            defer { offset = step.offset }
            return "gte(N,\(step.packet))*(\(FFmpeg.seconds(step.offset - offset)))"
        }
        return "setts=ts='TS+(\(FFmpeg.joined(terms, by: "+")))/TB'"
    }
}
