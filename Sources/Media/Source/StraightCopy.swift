/// A copy of a video's packets with the times of its time line, for a source of which the demuxer would lose some, or
/// would not read all. It is in the directory of the result until that is made.
enum StraightCopy {
    static let name = "straight.mp4"

    /// Copies tracks to the times that their packets have on a time line.
    /// - Throws: `toolFailed` or `unsupported` if its packets cannot be copied. So do the next two.
    static func make(
        of source: SourceFile, picture: Int, sound: Int?, on timeline: Timeline, writing size: OutputSize,
        _ tools: ToolRunner
    ) throws(TranscodingError) -> SourceFile {
        var arguments = source.arguments(sideLimit: tools.limits.side)
        arguments += ["-map", "0:\(picture)", "-bsf:v", times(timeline.picture)]
        if let sound, let track = timeline.sound { arguments += ["-map", "0:\(sound)", "-bsf:a", times(track)] }
        return try copy(arguments, as: ["-f", "mp4"], writing: size, tools)
    }

    /// Copies the tracks of a file that is cut off, each of them to its own end.
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
    /// - Parameter left: the number of the stream that is left out.
    static func make(
        of source: SourceFile, without left: Int, keepsSounds: Bool, writing size: OutputSize, _ tools: ToolRunner
    ) throws(TranscodingError) -> SourceFile {
        let tracks = ["-map", "0:v"] + (keepsSounds ? ["-map", "0:a", "-map", "-0:\(left)"] : [])
        return try copy(source.arguments(sideLimit: tools.limits.side) + tracks, writing: size, tools)
    }

    /// Copies all packets of tracks.
    /// - Parameter arguments: the inputs, and which tracks of them.
    private static func copy(
        _ arguments: [String], as format: [String] = FFmpeg.inStep + ["-f", "mov"], writing size: OutputSize,
        _ tools: ToolRunner
    ) throws(TranscodingError) -> SourceFile {
        try tools.run(
            FFmpeg.command + ["-copyts"] + arguments + FFmpeg.streamsOnly
                + ["-c", "copy", "-copyinkf", "-strict", "-2"] + format + ["-y", "file:\(name)"],
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
