import Foundation
import Model

/// What videos are called.
extension IntakeService {
    /// What the video of a request's upload will be called. The path consists of parts made or checked here.
    ///
    /// - Parameter upload: keeps its random part: another attempt publishes under the same name.
    func draft(_ request: UploadRequest, _ settings: IntakeSettings, of upload: ActiveUpload? = nil) -> VideoDraft {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = settings.timeZone
        let date = calendar.dateComponents([.year, .month], from: Date(timeIntervalSince1970: TimeInterval(now)))
        var name = request.keepsFileName && request.chunks == 0 ? request.sanitisedFileName : request.guid
        if settings.hasRandomPaths {
            name += "-" + (upload.flatMap { RandomPart.of(path: $0.record.draft.path) } ?? RandomPart.make())
        }
        return VideoDraft(
            name: request.title, guid: request.guid,
            path: StorageLayout.original(
                year: date.year!, month: date.month!, name: "\(name).\(request.fileExtension)"),
            classID: request.classID)
    }
}

extension UploadRequest {
    /// The sent file's name without its extension as `[A-Za-z0-9_-]{1,64}`; the guid if nothing is left of it.
    var sanitisedFileName: String {
        let stem = file.name.dropLast(fileExtension.count + 1)
        let kept = stem.split { !($0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-")) }
        let name = String(kept.joined(separator: "_").prefix(64))
        return name.isEmpty ? guid : name
    }
}

/// What makes the address of a video impossible to guess: 22 letters and digits of the system's randomness, 130 bits, behind
/// the name and a hyphen. A guid tells when its page was loaded, and is no secret.
enum RandomPart {
    static let length = 22
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")

    static func make() -> String {
        var generator = SystemRandomNumberGenerator()
        return String((0..<length).map { _ in alphabet.randomElement(using: &generator)! })
    }

    /// The random part of a path that was made with one.
    static func of(path: String) -> String? {
        let stem = path.prefix(upTo: path.lastIndex(of: ".") ?? path.endIndex)
        let part = stem.suffix(length)
        guard stem.dropLast(length).last == "-", part.allSatisfy(alphabet.contains) else { return nil }
        return String(part)
    }
}
