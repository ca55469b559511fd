import Foundation

/// The requests of the tus protocol for one video, one after the other: https://tus.io/protocols/resumable-upload
enum TusUpload {
    private static let version = ("Tus-Resumable", "1.0.0")

    /// Uploads the video.
    ///
    /// - Parameters:
    ///   - target: where uploads are created.
    ///   - size: bytes of each PATCH; the last may have fewer.
    static func upload(_ client: Client, creating target: String, size: Int) throws {
        let name = Data("\(client.video.md5).mp4".utf8).base64EncodedString()
        let type = Data("video/mp4".utf8).base64EncodedString()
        let created = try client.send(
            Request(
                "POST", target,
                headers: [
                    version, ("Upload-Length", "\(client.video.size)"),
                    ("Upload-Metadata", "filename \(name),filetype \(type)"),
                ]))
        guard let location = created.headers["location"], let path = URL(string: location)?.path, !path.isEmpty else {
            throw BenchmarkError("no upload was created: \(created)")
        }
        for range in client.parts(of: size) {
            let headers = [
                version, ("Upload-Offset", "\(range.lowerBound)"), ("Content-Type", "application/offset+octet-stream"),
            ]
            let reply = try client.send(Request("PATCH", path, headers: headers, part: range))
            guard reply.headers["upload-offset"] == "\(range.upperBound)" else {
                throw BenchmarkError("not at \(range.upperBound) after PATCH: \(reply.headers)")
            }
        }
    }
}
