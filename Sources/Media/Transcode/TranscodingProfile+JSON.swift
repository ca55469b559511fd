import Foundation

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
        } catch let error as DecodingError {
            throw TranscodingProfileError(description: Self.describe(error))
        } catch {
            throw TranscodingProfileError(description: "\(error)")
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
    private enum CodingKeys: String, CodingKey, CaseIterable {
        case height, crf, videoBitRate, audioBitRate
    }

    package init(from decoder: any Decoder) throws {
        let values = try CheckedValues<CodingKeys>(decoder)
        height = try values.number(.height, "an even number from 144 to 4320") {
            (144...4320).contains($0) && $0.isMultiple(of: 2)
        }
        crf = try values.number(.crf, "a whole number from 0 to 51") { (0...51).contains($0) }
        videoBitRate = try values.number(.videoBitRate, "bits per second from 50000 to 100000000") {
            (50_000...100_000_000).contains($0)
        }
        audioBitRate = try values.number(.audioBitRate, "bits per second from 32000 to 320000") {
            (32_000...320_000).contains($0)
        }
    }
}

extension TranscodingProfile.Thumbnails {
    private enum CodingKeys: String, CodingKey, CaseIterable {
        case interval, width
    }

    package init(from decoder: any Decoder) throws {
        let values = try CheckedValues<CodingKeys>(decoder)
        interval = try values.check(
            .interval, try values.values.decode(Double.self, forKey: .interval), "seconds from 0.5 to 3600"
        ) { (0.5...3600).contains($0) }
        width = try values.number(.width, "an even number from 32 to 480") {
            (32...480).contains($0) && $0.isMultiple(of: 2)
        }
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

    func number(_ key: Key, _ allowed: String, _ isAllowed: (Int) -> Bool) throws -> Int {
        try check(key, try values.decode(Int.self, forKey: key), allowed, isAllowed)
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
