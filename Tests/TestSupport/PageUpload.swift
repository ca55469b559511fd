import System
import CCrypto
import ChunkStore
import Foundation
import Glibc
import Model

/// A file as a page with WebUploader sends it: the fields, their order and the chunks.
package struct PageUpload: Sendable {
    package var guid: String
    package var fileName: String
    package var title: String
    package var md5: String
    package var content: [UInt8]
    package var chunkSize = 2 * 1024 * 1024
    /// Fields that replace the page's, or are left out if `nil`.
    package var overrides: [String: String?] = [:]
    /// Fields that the page does not send.
    package var extraFields: [(String, String)] = []
    package var owner: String?
    /// The client's address.
    package var address: String?

    package init(
        guid: String = PageUpload.newGuid(), fileName: String = "holiday.mp4", title: String? = nil, content: [UInt8]
    ) {
        self.guid = guid
        self.fileName = fileName
        self.title = title ?? fileName
        self.content = content
        md5 = md5Hex(content)
    }

    /// How many chunks the page cuts the file into; a file of at most one chunk is sent whole.
    package var chunks: Int { max(1, (content.count + chunkSize - 1) / chunkSize) }

    /// One chunk's bytes.
    package func bytes(of chunk: Int) -> [UInt8] {
        Array(content[chunk * chunkSize..<min(content.count, (chunk + 1) * chunkSize)])
    }

    /// The request for one chunk, or for the whole file where it has only one.
    package func request(_ chunk: Int = 0) -> SentRequest {
        chunks > 1 ? chunkRequest(chunk) : wholeRequest()
    }

    /// The request for one chunk, even where it is the only one.
    package func chunkRequest(_ chunk: Int, bytes: [UInt8]? = nil) -> SentRequest {
        request(
            fields: fields(inChunks: [("chunks", "\(chunks)"), ("chunk", "\(chunk)")]),
            type: "application/octet-stream", bytes: bytes ?? self.bytes(of: chunk))
    }

    /// The request for the whole file.
    package func wholeRequest() -> SentRequest {
        request(fields: fields(inChunks: []), type: "video/mp4", bytes: content)
    }

    private func fields(inChunks: [(String, String)]) -> [(String, String)] {
        let page: [(String, String)] =
            [
                ("file_id", "file"), ("guid", guid), ("file_name", title), ("id", "WU_FILE_0"), ("name", fileName),
                ("type", "video/mp4"), ("lastModifiedDate", "Sat Nov 21 2026 10:00:00 GMT+0800 (中国标准时间)"),
                ("size", "\(content.count)"),
            ] + inChunks + [("md5", md5), ("class_id", "1")]
        return page.compactMap { name, value in
            switch overrides[name] {
            case .none: (name, value)
            case .some(.none): nil
            case .some(.some(let other)): (name, other)
            }
        } + extraFields
    }

    private func request(fields: [(String, String)], type: String, bytes: [UInt8]) -> SentRequest {
        var form = MultipartForm()
        for (name, value) in fields { form.add(name, value) }
        form.addFile("file", fileName: fileName, type: type, bytes)
        return addressed(form.request("/service/upload/upload_file", owner: owner))
    }

    /// The page's question whether the video exists already.
    package func determineRequest(_ fields: [(String, String)] = []) -> SentRequest {
        addressed(.form("/service/upload/determine_video_exist", [("md5", md5), ("type", "1")] + fields, owner: owner))
    }

    private func addressed(_ request: SentRequest) -> SentRequest {
        var request = request
        request.address = address
        return request
    }

    /// The question which chunks of the unfinished upload are there.
    package func chunksRequest(_ fields: [(String, String)] = []) -> SentRequest {
        .form(
            "/service/upload/determine_chunk_exist",
            [("md5", md5), ("size", "\(content.count)"), ("chunks", "\(chunks)")] + fields, owner: owner)
    }

    /// A page-load number followed by a file's number.
    package static func newGuid() -> String { "17\(UInt64.random(in: 10_000_000_000...99_999_999_999))0" }
}

/// A `multipart/form-data` body as a browser writes it.
package struct MultipartForm {
    package let boundary: String
    private var body: [UInt8] = []

    package init(boundary: String = "----WebKitFormBoundary7MA4YWxkTrZu0gW\(UInt32.random(in: 100_000...999_999))") {
        self.boundary = boundary
    }

    package mutating func add(_ name: String, _ value: String) {
        addPart("Content-Disposition: form-data; name=\"\(name)\"\r\n", Array(value.utf8))
    }

    package mutating func addFile(_ name: String, fileName: String, type: String, _ bytes: [UInt8]) {
        addPart(
            "Content-Disposition: form-data; name=\"\(name)\"; filename=\"\(fileName)\"\r\nContent-Type: \(type)\r\n",
            bytes)
    }

    /// Adds a part with these header lines, each with its line break.
    package mutating func addPart(_ headers: String, _ content: [UInt8]) {
        body += Array("--\(boundary)\r\n\(headers)\r\n".utf8) + content + [0x0D, 0x0A]
    }

    /// The body with its closing delimiter.
    package var closed: [UInt8] { body + Array("--\(boundary)--\r\n".utf8) }

    package func request(_ target: String, owner: String? = nil) -> SentRequest {
        SentRequest(target, contentType: "multipart/form-data; boundary=\(boundary)", body: closed, owner: owner)
    }
}

/// The md5 of bytes as 32 lower-case hexadecimal digits, as libcrypto says.
package func md5Hex(_ bytes: [UInt8]) -> String {
    var digest = [UInt8](repeating: 0, count: Int(MD5_DIGEST_LENGTH))
    _ = MD5(bytes, bytes.count, &digest)
    return digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

extension Site {
    /// The bytes of a stored file.
    package func storedBytes(_ path: String) throws -> [UInt8] {
        Array(try Data(contentsOf: dataDirectory.appendingPathComponent(path)))
    }

    package var catalogueFile: CatalogueFile { CatalogueFile(dataDirectory.path + "/video-intake.db") }

    /// Makes every record with this name fail.
    package func failRecords(named name: String) throws {
        try catalogueFile.run(
            """
            CREATE TRIGGER IF NOT EXISTS fail_\(name) BEFORE INSERT ON video_info WHEN new.video_name = '\(name)'
            BEGIN SELECT raise(ABORT, 'made to fail'); END
            """)
    }

    /// How many videos the catalogue has.
    package func recordCount() throws -> Int {
        try catalogueFile.count("video_info")
    }

    /// The names of the unfinished uploads' files.
    package func incomingFiles() -> [String] { files(below: "incoming") }

    /// The paths of all published files.
    package func publishedFiles() -> [String] { files(below: "upload") }

    /// The paths of nginx's body files.
    package func bodyFiles() -> [String] { files(below: "body") }

    private func files(below name: String) -> [String] {
        let root = dataDirectory.appendingPathComponent(name)
        guard let all = FileManager.default.enumerator(atPath: root.path) else { return [] }
        return all.compactMap { $0 as? String }.filter {
            var isDirectory: ObjCBool = false
            return FileManager.default.fileExists(
                atPath: root.appendingPathComponent($0).path, isDirectory: &isDirectory)
                && !isDirectory.boolValue
        }.sorted()
    }
}

extension StoredFile {
    /// Writes bytes at `offset`.
    package func write(_ bytes: some Collection<UInt8>, at offset: Int) throws {
        try Array(bytes).withUnsafeBytes { (bytes: UnsafeRawBufferPointer) throws -> Void in
            try write(bytes, at: offset)
        }
    }
}

extension FFmpegVideo {
    /// The page's upload of it.
    package var upload: PageUpload { PageUpload(fileName: fileName, content: content) }
}
