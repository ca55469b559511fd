import Testing

@testable import Media

/// A file that is made of parts: each track's times on the file's clock, interleaved by them.
private struct MadeFile {
    private(set) var picture = TrackPackets()
    private(set) var sound = TrackPackets()
    private var position = 0

    /// 25 pictures and 50 packets of sound a second.
    mutating func add(
        _ seconds: Range<Double>, pictures: Range<Double>? = nil, sound hasSound: Bool = true, pictureClock: Double = 0,
        firstIsKey: Bool = true
    ) {
        let pictures = pictures ?? seconds
        let first = Int((seconds.lowerBound * 50).rounded())
        for unit in first..<Int((seconds.upperBound * 50).rounded()) {
            let time = Double(unit) / 50
            if unit % 2 == 0, pictures.contains(time) {
                let isKey = (unit - first) % 100 == (firstIsKey ? 0 : 50)
                picture.take(
                    Packet(
                        time: time + pictureClock, decodingTime: time + pictureClock, duration: 0.04, size: 100,
                        position: position, isKey: isKey))
                position += 1
            }
            if hasSound {
                sound.take(
                    Packet(
                        stream: 1, time: time, decodingTime: time, duration: 0.02, size: 10, position: position,
                        isKey: true))
                position += 1
            }
        }
    }

    func timeline(sound hasSound: Bool = true) throws -> Timeline {
        try #require(Timeline(picture: picture, sound: hasSound ? sound : nil))
    }
}

private func isNear(_ one: Double, _ other: Double, _ tolerance: Double = 0.001) -> Bool {
    abs(one - other) < tolerance
}

@Suite struct TimelineTests {
    @Test("a clock that begins anywhere begins at 0", arguments: [-3.0, 0, 0.04, 3600, 16_774])
    func zero(start: Double) throws {
        var file = MadeFile()
        file.add(start..<start + 6)
        let timeline = try file.timeline()
        #expect(isNear(timeline.zero, -start) && isNear(timeline.duration, 6) && !timeline.isRepaired)
        #expect(isNear(timeline.picture.start, 0) && isNear(timeline.sound!.end, 6))
    }

    @Test("a picture that begins later than the sound, or ends sooner, is held")
    func held() throws {
        var file = MadeFile()
        file.add(0..<6, pictures: 2..<4)
        let timeline = try file.timeline()
        #expect(isNear(timeline.picture.start, 2) && isNear(timeline.picture.end, 4) && isNear(timeline.duration, 6))
    }

    @Test("a picture track that was cut before its first key picture begins there, and the sound with it")
    func cutIn() throws {
        var file = MadeFile()
        file.add(0..<6, firstIsKey: false)
        let timeline = try file.timeline()
        #expect(isNear(timeline.zero, -1) && isNear(timeline.duration, 5) && isNear(timeline.picture.start, 0))
    }

    @Test("packets whose clock steps back, and another order of showing, are noted")
    func order() {
        var packets = TrackPackets()
        for time in [0, 0.04, 0.08, 0.12] { packets.take(Packet(time: time, decodingTime: time, isKey: true)) }
        #expect(packets.stepsBack == 0 && !packets.isReordered)
        packets.take(Packet(time: 0.02, decodingTime: 0.02, isKey: true))
        packets.take(Packet(time: 0.16, decodingTime: 0.06))
        #expect(packets.stepsBack == 1 && packets.isReordered)
    }

    @Test("a key picture that is decoded and not shown is one: nothing of what follows is cut off")
    func hiddenKey() throws {
        var (picture, sound) = (TrackPackets(), TrackPackets())
        // As a clip is trimmed without encoding it: up to 0 all is hidden.
        for number in -60..<190 {
            let time = Double(number) / 25
            picture.take(
                Packet(
                    time: time, decodingTime: time, duration: 0.04, size: 100, position: 2 * (number + 60),
                    isKey: (number + 60) % 100 == 0, isDiscarded: number < 0))
            sound.take(
                Packet(
                    stream: 1, time: time, decodingTime: time, duration: 0.04, size: 10,
                    position: 2 * (number + 60) + 1, isKey: true, isDiscarded: number < 0))
        }
        picture.finish()
        sound.finish()
        #expect(picture.packetsBeforeKey == 0 && picture.firstKey == 0)
        let timeline = try #require(Timeline(picture: picture, sound: sound))
        #expect(isNear(timeline.zero, 0) && isNear(timeline.duration, 7.6))
    }

    /// Packets that last so long each, at these times.
    private func packets(_ times: [Double], lasting duration: Double) -> [Packet] {
        times.map { Packet(time: $0, decodingTime: $0, duration: duration, size: 10, isKey: true) }
    }

    /// A file that has these pictures, and sound in these parts, in the order of their times or one track after the other.
    private func timeline(
        of pictures: [Packet], sound parts: [Range<Double>], interleaved: Bool = true
    ) throws -> Timeline {
        let times = parts.flatMap { Array(stride(from: $0.lowerBound, to: $0.upperBound, by: 0.02)) }
        var sounds = packets(times, lasting: 0.02)
        for number in sounds.indices { sounds[number].stream = 1 }
        var all = pictures + sounds
        if interleaved { all.sort { ($0.time ?? 0) < ($1.time ?? 0) } }
        return try timeline(inOrder: all)
    }

    /// A file that has these packets, one after the other. Stream 0 is the picture.
    private func timeline(inOrder all: [Packet]) throws -> Timeline {
        var packets = FilePackets(pictures: [0], sounds: [1])
        for (position, var packet) in all.enumerated() {
            packet.position = position
            packets.take(packet)
        }
        packets.finish()
        return try #require(Timeline(picture: packets.tracks[0]!, sound: packets.tracks[1]))
    }

    @Test(
        "a clock that has gone on for one track, while the other one goes on beside it, is set back",
        arguments: [0, 1], [11.0, 40, 300, 3600])
    func oneTrackJumps(track: Int, by seconds: Double) throws {
        for length in [10.0, 120] {
            let pictures = packets(Array(stride(from: 0, to: length, by: 0.04)), lasting: 0.04)
            var sounds = packets(Array(stride(from: 0, to: length, by: 0.02)), lasting: 0.02)
            for number in sounds.indices { sounds[number].stream = 1 }
            var all = (pictures + sounds).sorted { ($0.time ?? 0) < ($1.time ?? 0) }
            for number in all.indices where all[number].stream == track && all[number].time! >= 4 {
                all[number].time! += seconds
                all[number].decodingTime! += seconds
            }
            let made = try timeline(inOrder: all)
            #expect(made.isRepaired && isNear(made.duration, length, 0.1), "\(made.duration) of \(length)")
            #expect(isNear(made.picture.end, length, 0.1) && isNear(made.sound!.end, length, 0.1))
        }
    }

    @Test("a pause of one track is none of a clock that has gone on for it before")
    func pauseAfterJump() throws {
        // The picture's clock goes on by 40 s at 4 s, and from 20 to 35 s it stands still.
        let pictures = packets(Array(stride(from: 0, to: 60, by: 0.04)), lasting: 0.04).filter {
            !(20..<35).contains($0.time!)
        }
        var sounds = packets(Array(stride(from: 0, to: 60, by: 0.02)), lasting: 0.02)
        for number in sounds.indices { sounds[number].stream = 1 }
        var all = (pictures + sounds).sorted { ($0.time ?? 0) < ($1.time ?? 0) }
        for number in all.indices where all[number].stream == 0 && all[number].time! >= 4 {
            all[number].time! += 40
            all[number].decodingTime! += 40
        }
        let made = try timeline(inOrder: all)
        #expect(isNear(made.duration, 60, 0.1) && isNear(made.picture.end, 60, 0.1), "\(made)")
    }

    @Test("pictures that are stored up to 8 s before their sound stay where they are")
    func looselyInterleaved() throws {
        let slides = packets([0, 15, 30, 45], lasting: 15)
        var sounds = packets(Array(stride(from: 0, to: 60, by: 0.02)), lasting: 0.02)
        for number in sounds.indices { sounds[number].stream = 1 }
        let all = (slides + sounds).sorted {
            $0.time! - ($0.stream == 0 ? 8 : 0) < $1.time! - ($1.stream == 0 ? 8 : 0)
        }
        let made = try timeline(inOrder: all)
        #expect(!made.isRepaired && isNear(made.duration, 60, 0.1))
    }

    @Test(
        "slides stay as long as they are shown, whatever is heard of them",
        arguments: [
            [0.0..<8], [0.0..<50], [50.0..<60], [0.0..<5, 36..<60], [0.0..<5, 29..<34], [14.0..<15, 46..<60],
        ], [true, false])
    func slides(sound: [Range<Double>], interleaved: Bool) throws {
        for lasting in [0.1, 15] {
            let slides = packets([0, 15, 30, 45], lasting: lasting)
            let made = try timeline(of: slides, sound: sound, interleaved: interleaved)
            #expect(!made.isRepaired && isNear(made.duration, max(45 + lasting, sound.last!.upperBound)))
        }
    }

    @Test("a clock that goes on by hours is set back under slides too")
    func slidesAndJump() throws {
        let times = [0.0, 15, 30, 3645, 3660]
        let made = try timeline(of: packets(times, lasting: 0.1), sound: [0..<44, 3644..<3662])
        #expect(made.isRepaired && (60...63).contains(made.duration), "\(made.duration)")
    }

    @Test("of a clock that stands still the pictures are counted, and their number tells how long it plays")
    func stopped() throws {
        var (picture, sound) = (TrackPackets(), TrackPackets())
        for number in 0..<150 {
            let packet = Packet(
                time: 7, decodingTime: 7, duration: 0.04, size: 10, position: number, isKey: number == 0)
            picture.take(packet)
            if number < 100 { sound.take(packet) }
        }
        picture.finish()
        sound.finish()
        let timeline = try #require(Timeline(picture: picture, sound: sound, announced: 30))
        #expect(timeline.isRepaired && timeline.picture.isCounted && timeline.sound!.isCounted)
        #expect(isNear(timeline.picture.end, 5) && isNear(timeline.sound!.end, 4) && isNear(timeline.duration, 5))
        // What no camera makes is not believed.
        for announced: Double? in [nil, 0, 1000] {
            let other = try #require(Timeline(picture: picture, sound: nil, announced: announced))
            #expect(isNear(other.duration, 6))
        }
    }

    @Test(
        "ffmpeg reads the expression for a clock that begins again hundreds of times", arguments: [1, 2, 9, 200, 400])
    func expression(steps count: Int) throws {
        let steps = (0..<count).map {
            Timeline.Step(packet: 16 * $0, position: 1_000_000_000 * $0, offset: Double($0), start: 0, end: 1)
        }
        // 16 pictures a second, whose clock begins again every second.
        let lines = try Workshop.command([
            "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "color=size=16x16:rate=16", "-frames:v",
            "\(16 * count)", "-vf", "setpts='mod(N,16)/16/TB',setpts='\(FFmpeg.repair(steps))'",
            "-fps_mode", "passthrough", "-enc_time_base", "1:16", "-f", "framecrc", "-",
        ]).split(separator: "\n").filter { !$0.hasPrefix("#") }
        let times = lines.compactMap { line in
            Int(line.split(separator: ",")[2].filter { $0 != " " })
        }
        #expect(times == Array(0..<16 * count))
    }

    @Test("a clock that begins again goes on", arguments: [0.0, 100, 3600])
    func again(start: Double) throws {
        var file = MadeFile()
        file.add(start..<start + 3)
        file.add(start..<start + 5)
        file.add(start + 1..<start + 2)
        let timeline = try file.timeline()
        #expect(timeline.isRepaired && isNear(timeline.duration, 9))
        #expect(timeline.picture.steps.map(\.packet) == [0, 75, 200])
        #expect(timeline.sound!.steps.map(\.packet) == [0, 150, 400])
        for steps in [timeline.picture.steps, timeline.sound!.steps] {
            #expect(isNear(steps[0].offset, -start) && isNear(steps[1].offset, 3 - start))
            #expect(isNear(steps[2].offset, 7 - start))
        }
    }

    @Test("picture and sound that begin again at different times stay in step")
    func againInStep() throws {
        var file = MadeFile()
        file.add(0..<3)
        // The picture comes 0.4 s after the sound.
        file.add(0..<3, pictures: 0.4..<3)
        let timeline = try file.timeline()
        #expect(isNear(timeline.picture.steps[1].offset, timeline.sound!.steps[1].offset))
        #expect(isNear(timeline.duration, 6))
    }

    /// Packets of fragments as ffmpeg's demuxer passes them on: those that go back in their first fragment are discarded.
    ///
    /// - Parameter isAgain: whether packets of the same time are the same in all parts.
    private func fragments(
        _ parts: [Range<Double>], fragment: Double, isAgain: Bool, stream: Int = 0
    ) -> TrackPackets {
        var packets = TrackPackets()
        var before = -Double.infinity
        var position = stream
        for (number, part) in parts.enumerated() {
            var fragmentStart = part.lowerBound
            while fragmentStart < part.upperBound {
                let last = before
                for unit in Int(fragmentStart * 25)..<Int(min(fragmentStart + fragment, part.upperBound) * 25) {
                    before = Double(unit) / 25
                    packets.take(
                        Packet(
                            stream: stream, time: before, decodingTime: before, duration: 0.04,
                            size: 100 + unit % 7 + (isAgain ? 0 : number),
                            position: position, isKey: unit % 25 == 0, isDiscarded: last >= before))
                    position += 1
                }
                fragmentStart += fragment
            }
        }
        packets.finish()
        return packets
    }

    @Test(
        "the first fragments after a clock has begun again are shown, those that repeat what was before are not",
        arguments: [
            ([0.0..<4, 0..<3], 1.0, 25, 0, 7.0), ([0..<4, 0..<3, 0..<5], 1, 50, 0, 12),
            // One fragment each: all that follow are discarded.
            ([0..<4, 0..<3, 0..<4], 10, 150, 0, 11), ([0..<3, 0..<3], 10, 0, 75, 3),
            ([0..<6, 4..<10], 2, 0, 50, 10), ([0..<6, 4..<6], 2, 0, 50, 6),
        ])
    func fragments(parts: [Range<Double>], fragment: Double, lost: Int, cutOff: Int, duration: Double) throws {
        let picture = fragments(parts, fragment: fragment, isAgain: cutOff > 0)
        #expect(picture.lostAtRestart == lost && picture.cutOff == cutOff)
        let timeline = try #require(
            Timeline(
                picture: picture,
                sound: fragments(parts, fragment: fragment, isAgain: cutOff > 0, stream: 1)))
        #expect(isNear(timeline.duration, duration))
        #expect(timeline.picture.steps.map(\.offset) == timeline.sound!.steps.map(\.offset))
        if lost > 0 { #expect(timeline.picture.steps.count == parts.count) }
    }

    @Test("a jump of the clock without picture and sound is taken out", arguments: [11.0, 3600, 90_000])
    func jump(by seconds: Double) throws {
        var file = MadeFile()
        file.add(0..<3)
        file.add(3 + seconds..<6 + seconds)
        let timeline = try file.timeline()
        #expect(timeline.isRepaired && isNear(timeline.duration, 6))
    }

    @Test("a picture that stands still under a sound that goes on stays where it is")
    func still() throws {
        var file = MadeFile()
        file.add(0..<1)
        file.add(1..<61, pictures: 0..<0)
        file.add(61..<64)
        let timeline = try file.timeline()
        #expect(!timeline.isRepaired && isNear(timeline.duration, 64))
    }

    @Test("without sound a picture stands still for up to 10 minutes")
    func silentStill() throws {
        for (still, duration) in [(60.0, 64.0), (599, 603), (700, 4), (3600, 4)] {
            var file = MadeFile()
            file.add(0..<1, sound: false)
            file.add(1 + still..<4 + still, sound: false)
            let timeline = try file.timeline(sound: false)
            #expect(isNear(timeline.duration, duration), "\(still) s: \(timeline.duration)")
        }
    }

    @Test("a clock that jumps all the time says nothing, and takes no memory")
    func chaos() throws {
        var generator = SystemRandomNumberGenerator()
        var packets = TrackPackets()
        for position in 0..<100_000 {
            let time = Double.random(in: 0..<1e6, using: &generator)
            packets.take(Packet(time: time, decodingTime: time, position: position, isKey: true))
        }
        packets.finish()
        #expect(packets.hasTooManyRuns && packets.runs.count <= 400 && packets.intervals.count <= 4096)
        _ = Timeline(picture: packets, sound: packets)
    }

    @Test("nothing that is shown is no time line")
    func nothing() {
        var packets = TrackPackets()
        packets.take(Packet(isKey: true))
        packets.take(Packet(time: 1, isKey: true, isDiscarded: true))
        #expect(Timeline(picture: packets, sound: nil) == nil)
    }
}
