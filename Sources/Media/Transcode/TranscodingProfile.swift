import Foundation

/// What is made of a video. A JSON file of this shape, in which everything may be missing; these are the defaults:
///
/// ```json
/// {
///   "outputs": ["mp4", "hls", "poster", "thumbnails"],
///   "preset": "veryfast",
///   "mp4": {"height": 2160, "crf": 21, "videoBitRate": 24000000, "audioBitRate": 160000},
///   "renditions": [
///     {"height": 1080, "crf": 22, "videoBitRate": 5000000, "audioBitRate": 128000},
///     {"height": 720, "crf": 23, "videoBitRate": 2800000, "audioBitRate": 128000},
///     {"height": 480, "crf": 23, "videoBitRate": 1200000, "audioBitRate": 96000}
///   ],
///   "thumbnails": {"interval": 5, "width": 160},
///   "commands": []
/// }
/// ```
///
/// A command is its program and arguments, like
/// `["ffmpeg", "-nostdin", "-i", "file:{input}", "-t", "3", "file:{output}/teaser.gif"]`. It runs after everything else,
/// in the directory that is published, under the same limits and without a network; if it does not end with 0, the video is not published.
/// `{input}` is the path of the uploaded file, `{output}` that of the directory, `{duration}` the seconds of the video. No
/// shell takes part.
package struct TranscodingProfile: Equatable, Sendable {
    package var outputs = Set(Output.allCases)
    /// How much time x264 may take to save bits.
    package var preset = Preset.veryfast
    /// The one file for download and for players without HLS. A video that fits already is copied as it is.
    package var mp4 = Rendition(height: 2160, crf: 21, videoBitRate: 24_000_000, audioBitRate: 160_000)
    /// The qualities of the stream. Those that are larger than the video are left out; if all are, the one with the least
    /// height is made in the video's own size.
    package var renditions = [
        Rendition(height: 1080, crf: 22, videoBitRate: 5_000_000, audioBitRate: 128_000),
        Rendition(height: 720, crf: 23, videoBitRate: 2_800_000, audioBitRate: 128_000),
        Rendition(height: 480, crf: 23, videoBitRate: 1_200_000, audioBitRate: 96_000),
    ]
    package var thumbnails = Thumbnails(interval: 5, width: 160)
    package var commands: [[String]] = []

    package enum Output: String, Decodable, CaseIterable, Sendable {
        /// `video.mp4`.
        case mp4
        /// `hls/master.m3u8` and what belongs to it.
        case hls
        /// `poster.jpg`.
        case poster
        /// `thumbnails.jpg` and `thumbnails.vtt`.
        case thumbnails
    }

    package enum Preset: String, Decodable, CaseIterable, Sendable {
        case ultrafast, superfast, veryfast, faster, fast, medium, slow
    }

    /// One quality.
    package struct Rendition: Hashable, Decodable, Sendable {
        /// Pixels: the height of the 16:9 frame that the picture must fit in, its width if the picture is upright.
        package var height: Int
        /// x264's constant rate factor: less is better and larger; 23 is its default.
        package var crf: Int
        /// Bits per second that the picture does not exceed for long.
        package var videoBitRate: Int
        /// Bits per second.
        package var audioBitRate: Int
    }

    /// The small pictures that a player shows above its time line.
    package struct Thumbnails: Hashable, Decodable, Sendable {
        /// Seconds from one to the next. More for a video that would have over 100.
        package var interval: Double
        /// Pixels of the longer side.
        package var width: Int
    }

    package init() {}
}

/// What is wrong with a profile: the place, what is there, and what is allowed.
package struct TranscodingProfileError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

extension TranscodingProfile {
    /// Bytes that a profile may have.
    private static let sizeLimit = 64 * 1024

    /// Reads the profile in a JSON file.
    package init(path: String) throws(TranscodingProfileError) {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw TranscodingProfileError(description: "\(path): \(String(cString: strerror(errno)))")
        }
        do {
            self = try TranscodingProfile(json: try file.read(upToCount: Self.sizeLimit + 1) ?? Data())
        } catch {
            throw TranscodingProfileError(description: "\(path): \(error)")
        }
    }

    /// Reads a profile from JSON.
    package init(json: Data) throws(TranscodingProfileError) {
        guard json.count <= Self.sizeLimit else {
            throw TranscodingProfileError(description: "the profile has more than \(Self.sizeLimit) bytes")
        }
        do {
            self = try JSONDecoder().decode(TranscodingProfile.self, from: json)
        } catch {
            throw TranscodingProfileError(description: (error as? DecodingError).map(Self.describe) ?? "\(error)")
        }
    }

    private static func describe(_ error: DecodingError) -> String {
        let (context, text): (DecodingError.Context, String) =
            switch error {
            case .typeMismatch(_, let context): (context, "is of another kind: \(context.debugDescription)")
            case .valueNotFound(_, let context): (context, "is null, which is not allowed")
            case .keyNotFound(let key, let context): (context, "\"\(key.stringValue)\" is missing")
            case .dataCorrupted(let context): (context, context.debugDescription)
            @unknown default: (DecodingError.Context(codingPath: [], debugDescription: ""), "\(error)")
            }
        let place = context.codingPath.reduce(into: "") { place, key in
            place += key.intValue.map { "[\($0)]" } ?? (place.isEmpty ? key.stringValue : ".\(key.stringValue)")
        }
        return place.isEmpty ? "the profile: \(text)" : "\(place): \(text)"
    }
}

// MARK: - Decoding with checks

extension TranscodingProfile: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable {
        case outputs, preset, mp4, renditions, thumbnails, commands
    }

    package init(from decoder: any Decoder) throws {
        let values = try CheckedValues<CodingKeys>(decoder)
        if let names = try values.values.decodeIfPresent([String].self, forKey: .outputs) {
            outputs = try values.check(
                .outputs, Set(names.compactMap(Output.init)), "a list of some of \(Output.names), none of them twice"
            ) { $0.count == names.count && !$0.isEmpty }
        }
        if let name = try values.values.decodeIfPresent(String.self, forKey: .preset) {
            preset = try values.check(.preset, Preset(rawValue: name), "one of \(Preset.names)") { $0 != nil } ?? preset
        }
        mp4 = try values.values.decodeIfPresent(Rendition.self, forKey: .mp4) ?? mp4
        renditions = try values.check(
            .renditions, try values.values.decodeIfPresent([Rendition].self, forKey: .renditions) ?? renditions,
            "a list of 1 to 6, each with another height"
        ) { (1...6).contains($0.count) && Set($0.map(\.height)).count == $0.count }
        thumbnails = try values.values.decodeIfPresent(Thumbnails.self, forKey: .thumbnails) ?? thumbnails
        commands = try values.check(
            .commands, try values.values.decodeIfPresent([[String]].self, forKey: .commands) ?? commands,
            "a list of at most 16 lists of a program and its arguments, "
                + "with no other {name} than {input}, {output}, {duration}"
        ) { $0.count <= 16 && $0.allSatisfy(TranscodingCommand.isValid) }
    }
}

extension TranscodingProfile.Rendition {
    private enum CodingKeys: String, CodingKey, CaseIterable { case height, crf, videoBitRate, audioBitRate }

    package init(from decoder: any Decoder) throws {
        let values = try CheckedValues<CodingKeys>(decoder)
        height = try values.number(.height, 144...4320, isEven: true, "an even number from 144 to 4320")
        crf = try values.number(.crf, 0...51, "a whole number from 0 to 51")
        videoBitRate = try values.number(
            .videoBitRate, 50_000...100_000_000, "bits per second from 50000 to 100000000")
        audioBitRate = try values.number(.audioBitRate, 32_000...320_000, "bits per second from 32000 to 320000")
    }
}

extension TranscodingProfile.Thumbnails {
    private enum CodingKeys: String, CodingKey, CaseIterable { case interval, width }

    package init(from decoder: any Decoder) throws {
        let values = try CheckedValues<CodingKeys>(decoder)
        interval = try values.check(
            .interval, try values.values.decode(Double.self, forKey: .interval), "seconds from 0.5 to 3600"
        ) { (0.5...3600).contains($0) }
        width = try values.number(.width, 32...480, isEven: true, "an even number from 32 to 480")
    }
}

extension CaseIterable where Self: RawRepresentable<String> {
    fileprivate static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

/// The members of a JSON object, all of which have a meaning.
private struct CheckedValues<Key: CodingKey & CaseIterable> {
    let values: KeyedDecodingContainer<Key>

    /// - Throws: if there is a member that has no meaning.
    init(_ decoder: any Decoder) throws {
        let known = Key.allCases.map(\.stringValue)
        for key in try decoder.container(keyedBy: AnyKey.self).allKeys where !known.contains(key.stringValue) {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(
                    codingPath: decoder.codingPath + [key],
                    debugDescription: "there is no such key; there are \(known.joined(separator: ", "))"))
        }
        values = try decoder.container(keyedBy: Key.self)
    }

    func number(_ key: Key, _ range: ClosedRange<Int>, isEven: Bool = false, _ allowed: String) throws -> Int {
        try check(key, try values.decode(Int.self, forKey: key), allowed) {
            range.contains($0) && (!isEven || $0.isMultiple(of: 2))
        }
    }

    func check<Value>(_ key: Key, _ value: Value, _ allowed: String, _ isAllowed: (Value) -> Bool) throws -> Value {
        if isAllowed(value) { return value }
        throw DecodingError.dataCorruptedError(
            forKey: key, in: values, debugDescription: "this value is not allowed: it must be \(allowed)")
    }

    private struct AnyKey: CodingKey {
        let stringValue: String
        let intValue: Int?

        init(stringValue: String) { (self.stringValue, intValue) = (stringValue, nil) }
        init(intValue: Int) { (stringValue, self.intValue) = ("\(intValue)", intValue) }
    }
}

/// The commands of a profile: a program and its arguments, with `{name}` for what differs from video to video.
enum TranscodingCommand {
    /// Whether it can be a command: it names a program, and there is a value for each `{name}`.
    static func isValid(_ words: [String]) -> Bool {
        guard let program = words.first, !program.isEmpty, words.count <= 256 else { return false }
        return words.allSatisfy { word in
            !word.utf8.contains(0)
                && word.matches(of: placeholder).allSatisfy { ["input", "output", "duration"].contains($0.1) }
        }
    }

    /// Puts the values in. What is put in is not looked at again.
    static func fill(_ words: [String], with values: [String: String]) -> [String] {
        words.map { $0.replacing(placeholder) { values[String($0.1)] ?? String($0.0) } }
    }

    // It is never changed; its type only does not say so.
    nonisolated(unsafe) private static let placeholder = /{([a-z]+)}/
}
