/// How picture and sound are encoded, and the filters before that.
extension FFmpeg {
    /// Seconds between two places that a player can start at, in what is encoded.
    static let keyFrameInterval = 2
    /// Seconds of a piece at least.
    private static let shortestPiece = 0.5

    /// Encodes the picture as H.264, in 8 bits, with pictures at their own times.
    /// - Parameter duration: seconds of the video: no key picture is forced near its end, or the last piece of a stream would
    ///   be shorter than a picture or two.
    static func video(
        _ quality: TranscodingProfile.Rendition, preset: TranscodingProfile.Preset, threads: Int,
        duration: Double = .infinity
    ) -> [String] {
        let last = duration.isFinite ? "*lt(t,\(seconds(duration - shortestPiece)))" : ""
        return [
            "-c:v", "libx264", "-preset", preset.rawValue, "-profile:v", "high", "-pix_fmt", "yuv420p",
            "-crf", "\(quality.crf)", "-maxrate", "\(quality.videoBitRate)", "-bufsize", "\(2 * quality.videoBitRate)",
            // The same places in every rendition, wherever a scene begins.
            "-force_key_frames", "expr:gte(t,n_forced*\(keyFrameInterval))\(last)", "-sc_threshold", "0", "-g", "600",
            "-threads", "\(threads)",
            // Without it ffmpeg fills up to a constant rate, which a strange file can make a thousand pictures a second.
            "-fps_mode", "vfr",
        ]
    }

    /// Encodes the sound as AAC.
    static func audio(_ quality: TranscodingProfile.Rendition) -> [String] {
        ["-c:a", "aac", "-b:a", "\(quality.audioBitRate)", "-ac", "2", "-ar", "48000"]
    }

    /// The filters that bring a picture of ours into `size`.
    static func filters(to size: PictureSize) -> String {
        "scale=\(size.width):\(size.height),setsar=1,format=yuv420p"
    }

    // MARK: - On one clock

    /// The options of a source whose times go by a time line: its clock is set to 0 as it was measured, or left alone if it
    /// jumps. A picture that changes its size or format goes on through the same filters: new ones would have forgotten
    /// where they were. A sound cannot.
    static func input(_ look: SourceLook) -> [String] {
        ["-copyts"] + (look.timeline.isRepaired ? [] : ["-itsoffset", seconds(look.timeline.zero)])
            + ["-reinit_filter:v", "0"]
    }

    /// The filter that puts the frames of a track whose clock jumps or stands still where they belong, with a comma behind it,
    /// or nothing.
    /// - Parameter name: `setpts` or `asetpts`.
    static func repair(_ name: String, _ track: Timeline.Track, _ timeline: Timeline) -> String {
        guard timeline.isRepaired else { return "" }
        guard track.isCounted else { return "\(name)='\(repair(track.steps))'," }
        let rate = name == "setpts" ? "\(timeline.rate)" : "SR"
        return "\(name)='(\(seconds(track.start))+N/\(rate))/TB',"
    }

    /// An expression of ffmpeg's for the time of a frame, of `PTS`, `T` and what it was before, `PREV_INT`.
    ///
    /// A frame stays in the step of the one before it unless its clock has jumped; then it belongs to the next one that has such
    /// a time, which is the next of all unless nothing of that could be decoded. The first frame of a filter that tells its
    /// place in the file, and a sound that changes its form has more than one filter, belongs to the step of that place.
    static func repair(_ steps: [Timeline.Step]) -> String {
        // Seconds: a decoder may put out a frame out of order, or one before the first that is to be shown.
        let tolerance = 0.5
        let back = TrackPackets.backTolerance - 0.1
        let forward = TrackPackets.forwardTolerance - 1
        // Register 0: the number of the step, from 1 on. 1: whether the clock has jumped. 2: the next step. 3: whether the place
        // was told.
        var terms = ["st(1,if(isnan(PREV_INT),1,lt(T,PREV_INT-\(back))+gt(T,PREV_INT+\(forward))))", "st(2,0)"]
        for (number, step) in steps.enumerated().reversed() {
            let range = "\(seconds(step.start - tolerance)),\(seconds(step.end + tolerance))"
            terms.append("st(2,if(ld(1)*gt(\(number + 1),ld(0))*between(T,\(range)),\(number + 1),ld(2)))")
        }
        terms.append("st(0,if(ld(2),ld(2),ld(0)))")
        let place = joined(["1"] + steps.dropFirst().map { "gte(POS,\($0.position))" }, by: "+")
        terms.append("if(not(ld(3))*gte(POS,0),st(3,1)+st(0,\(place)))")
        let offsets = steps.enumerated().map { "eq(ld(0),\($0.offset + 1))*(\(seconds($0.element.offset)))" }
        terms.append("PTS+(\(joined(offsets, by: "+")))/TB")
        return joined(terms, by: ";")
    }

    /// The filters that make the picture whole: in `size`, with a constant number of pictures a second, from 0 to the end,
    /// where there is none the last one, in the colours of all screens.
    static func picture(_ look: SourceLook, to size: PictureSize) -> String {
        let video = look.information.video
        // Half pictures are all of one size then.
        let coded = "scale=\(video.codedSize.width):\(video.codedSize.height):interl=1"
        var filters = look.interlacing.filter.map { [coded, $0] } ?? []
        // Frame by frame: joined parts may have other colours.
        let colours =
            video.isWide
            ? "" : ":in_color_matrix=\(matrix(video)):out_color_matrix=\(encodedMatrix(video)):out_range=tv"
        filters += [
            look.pictures.changes > 0 ? fit(size, colours) : "scale=\(size.width):\(size.height)\(colours)", "setsar=1",
        ]
        if video.isWide { filters += toneMap(video) }
        filters += [
            tags(video), "fps=\(look.cadence):start_time=0:eof_action=pass", "tpad=stop=-1:stop_mode=clone",
            "trim=end_frame=\(look.pictureCount)", "format=yuv420p",
        ]
        return repair("setpts", look.timeline.picture, look.timeline) + filters.joined(separator: ",")
    }

    /// The filter for pictures whose form may change in the middle, as when a telephone is turned: another form gets bars beside
    /// it. What differs by a few pixels is the same form.
    private static func fit(_ size: PictureSize, _ colours: String) -> String {
        let (width, height) = (size.width, size.height)
        func side(_ whole: Int, _ fitted: String) -> String {
            "'if(lt(abs(dar*\(height)/\(width)-1),0.05),\(whole),2*round(min(\(whole),\(fitted))/2))'"
        }
        return "scale=w=\(side(width, "\(height)*dar")):h=\(side(height, "\(width)/dar"))\(colours):eval=frame,"
            + "pad=\(width):\(height):-1:-1:eval=frame"
    }

    /// The filters that make the sound whole: stereo, its gaps filled, from 0 to the end of the video.
    /// Where the sound changes its form, ffmpeg makes all of them anew, and they have forgotten where they were.
    static func sound(_ look: SourceLook, _ sound: Timeline.Track) -> String {
        let end = "apad,atrim=start=0:end=\(seconds(look.duration))"
        let input =
            repair("asetpts", sound, look.timeline) + firstFrame(sound, look.timeline)
            + (look.information.audio.map(twoChannels) ?? "")
        let form = "aformat=channel_layouts=stereo"
        guard sound.start > shortestSilence else { return "\(input),\(resample),\(form),\(end)" }
        // The first frame, in silence at 0: what lies between is a gap. Filters that are made later get no such frame. What they
        // would keep back is lost with them, so it is one frame, and not all the silence. ainterleave counts in microseconds.
        let unit = "asettb=1/1000000"
        return "\(input),asplit[first][all];[first]atrim=end=\(seconds(sound.start + firstSounds)),"
            + "asetpts=N/SR/TB,volume=0,atrim=end=0.02,\(unit)[silence];[all]\(unit)[heard];"
            + "[silence][heard]ainterleave,\(resample),\(form),\(end)"
    }

    /// The filter that leaves out a frame with a wrong time: ffmpeg 5.1 counts the first one after a change of the rate at the
    /// rate before. Of a clock that jumps also those after a change that do not tell their place.
    private static func firstFrame(_ sound: Timeline.Track, _ timeline: Timeline) -> String {
        let isKnown = timeline.isRepaired ? "st(0,ld(0)+gte(pos,0));gt(n,0)*gt(ld(0),0)" : "gt(n,0)"
        return "aselect='\(isKnown)+lt(abs(t-\(seconds(sound.start))),\(decoderDelay))'"
    }

    /// The filter that takes two channels of a sound that ffmpeg cannot mix, with a comma before it, or nothing. Of more than any
    /// usual layout the first two are taken: such a file has a microphone on each. Of ambisonics the first channel is all
    /// around, and the second one is left less right.
    static func twoChannels(_ sound: MediaInformation.Audio) -> String {
        if sound.isAmbisonic { return ",pan=stereo|c0=0.7*c0+0.5*c1|c1=0.7*c0-0.5*c1" }
        return sound.channels > 8 ? ",pan=stereo|c0=c0|c1=c1" : ""
    }

    /// Fills gaps from two packets on: else one lost packet moves all that follows.
    private static let resample = "aresample=48000:async=1:min_hard_comp=0.04"
    /// Seconds that a decoder leaves out at the beginning of a sound, at most.
    private static let decoderDelay = 0.06
    /// Seconds that may be missing at the beginning of a sound.
    private static let shortestSilence = 0.05
    /// Seconds in which the first frame of a sound is that can be decoded.
    private static let firstSounds = 1.0

    /// Whether a picture is of high definition, and has the matrix of BT.709 if it does not say which one: what players take it
    /// for. A smaller one has that of BT.601.
    private static func isHigh(_ video: MediaInformation.Video) -> Bool {
        max(video.codedSize.width, video.codedSize.height) >= 1280 || video.codedSize.height >= 720
    }

    /// The matrix of a source's pictures, as the filter `scale` reads it.
    private static func matrix(_ video: MediaInformation.Video) -> String {
        video.isWide || !video.matrix.isEmpty ? "auto" : isHigh(video) ? "bt709" : "smpte170m"
    }

    /// The matrix of what is encoded.
    private static func encodedMatrix(_ video: MediaInformation.Video) -> String {
        switch video.matrix {
        case _ where video.isWide: "bt709"
        case "smpte170m", "bt470bg": "smpte170m"
        case "bt709": "bt709"
        default: isHigh(video) ? "bt709" : "smpte170m"
        }
    }

    /// The filter that says which colours the pictures have: a player that has to guess does so in more than one way.
    private static func tags(_ video: MediaInformation.Video) -> String {
        let matrix = encodedMatrix(video)
        let primaries = video.isWide || video.primaries.isEmpty ? matrix : video.primaries
        let transfer = video.isWide || video.transfer.isEmpty ? matrix : video.transfer
        return "setparams=range=tv:color_primaries=\(primaries):color_trc=\(transfer):colorspace=\(matrix)"
    }

    /// The filter for the size of a JPEG, which has the matrix of BT.601 and the full range, of the video as it was made.
    static func jpeg(_ size: PictureSize, of video: MediaInformation.Video) -> String {
        "scale=\(size.width):\(size.height):in_color_matrix=\(matrix(video)):out_color_matrix=bt601:out_range=pc,"
            + "setsar=1,format=yuvj420p"
    }

    /// Brings HDR and wide colours to BT.709. ITU-R BT.2408: white of an HDR picture is at 203 cd/m2.
    /// zscale finds no way from what is not said, so what a file leaves out is what goes with the rest of BT.2020.
    static func toneMap(_ video: MediaInformation.Video) -> [String] {
        let isRGB = ["gbr", "rgb", "bgr"].contains(where: video.pixelFormat.hasPrefix)
        let transfer = zscaleTransfers.contains(video.transfer) ? video.transfer : "bt2020-10"
        let primaries = zscalePrimaries.contains(video.primaries) ? video.primaries : "bt2020"
        let matrix = isRGB ? "gbr" : zscaleMatrices.contains(video.matrix) ? video.matrix : "bt2020nc"
        let range = isRGB || video.isFullRange ? "pc" : "tv"
        let input = "tin=\(transfer):pin=\(primaries):min=\(matrix):rin=\(range)"
        return ["zscale=t=linear:npl=203:p=\(primaries):\(input)", "format=gbrpf32le", "zscale=p=bt709"]
            + (video.isHDR ? ["tonemap=hable:desat=0"] : []) + ["zscale=t=bt709:m=bt709:r=tv", "format=yuv420p"]
    }

    /// What zscale knows by ffmpeg's name.
    private static let zscaleTransfers: Set = [
        "bt709", "bt470m", "bt470bg", "smpte170m", "linear", "log100", "log316", "iec61966-2-1", "iec61966-2-4",
        "bt2020-10", "bt2020-12", "smpte2084", "arib-std-b67",
    ]
    private static let zscalePrimaries: Set = [
        "bt709", "bt470m", "bt470bg", "smpte170m", "smpte240m", "film", "bt2020", "smpte428", "smpte431", "smpte432",
    ]
    private static let zscaleMatrices: Set = ["bt709", "fcc", "bt470bg", "smpte170m", "bt2020nc"]
}
