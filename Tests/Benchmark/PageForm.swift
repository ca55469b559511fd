import ChunkStore
import Foundation
import TestSupport

/// The requests of WebUploader for one video: those that video-intake and the PHP deployment take.
struct PageForm: Sendable {
    private let video: SampleVideo
    private let chunks: Int
    private let guid = PageUpload.newGuid()
    private static let boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW0"

    init(_ video: SampleVideo, chunks: Int) {
        self.video = video
        self.chunks = chunks
    }

    /// The request for one chunk.
    func request(_ chunk: Int, _ range: Range<Int>) -> Request {
        let fields = [
            ("file_id", "file"), ("guid", guid), ("file_name", "holiday"), ("id", "WU_FILE_0"),
            ("name", "holiday.mp4"), ("type", "video/mp4"),
            ("lastModifiedDate", "Sat Nov 21 2026 10:00:00 GMT+0800 (中国标准时间)"), ("size", "\(video.size)"),
            ("chunks", "\(chunks)"), ("chunk", "\(chunk)"), ("md5", video.md5), ("class_id", "1"),
        ]
        let parts = fields.map { name, value in
            "--\(Self.boundary)\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n"
        }
        let file =
            "--\(Self.boundary)\r\nContent-Disposition: form-data; name=\"file\"; filename=\"holiday.mp4\"\r\n"
            + "Content-Type: application/octet-stream\r\n\r\n"
        return Request(
            "POST", "/service/upload/upload_file",
            headers: [("Content-Type", "multipart/form-data; boundary=\(Self.boundary)")],
            before: Array((parts.joined() + file).utf8), part: range, after: Array("\r\n--\(Self.boundary)--\r\n".utf8))
    }

    /// Uploads the video; one reply at least must say that it is whole, and none that something failed.
    static func upload(_ client: Client) throws {
        let parts = client.parts()
        let form = PageForm(client.video, chunks: parts.count)
        let isWhole = Locked(false)
        try client.sendAll(parts, form.request) { reply in
            // A look at the bytes, since a JSON parser would cost the client more than the rest.
            let text = String(decoding: reply.body.prefix(10), as: UTF8.self)
            if text.hasPrefix(#"{"code":1,"#) {
                isWhole.withLock { $0 = true }
            } else if !text.hasPrefix(#"{"code":2,"#) {
                throw BenchmarkError("a chunk was refused: \(reply)")
            }
        }
        guard isWhole.withLock({ $0 }) else { throw BenchmarkError("no reply said that the video is whole") }
    }
}
