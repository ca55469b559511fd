/// What ffmpeg writes when it decodes a source.
enum Complaints {
    /// Whether something is missing in the picture or the sound. A file that was cut between two packets is whole from there on:
    /// - pictures before the first key picture are said to be kept that the decoder never had;
    /// - the first packet of a sound begins in the middle of a frame;
    /// - parts that overlap by less than a frame make two frames of one time.
    static func tellOfDamage(_ text: String) -> Bool {
        var (broken, undecoded) = (0, 0)
        for line in text.split(whereSeparator: \.isNewline) {
            if line.contains("mmco: unref short failure") || line.contains("non monotonically increasing dts to muxer")
                || line.contains("Last message repeated")
            {
                continue
            }
            if line.hasPrefix("[mp"), line.hasSuffix("] Header missing") {
                broken += 1
            } else if line.hasPrefix("Error while decoding stream") {
                undecoded += 1
            } else {
                return true
            }
        }
        // ffmpeg decodes the first packet when it looks for the parameters too.
        return broken > 2 || undecoded > min(broken, 1)
    }
}
