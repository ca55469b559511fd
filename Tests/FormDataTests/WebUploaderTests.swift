@testable import FormData
import Testing

/// What WebUploader sends: the fields in its order, the file last (https://github.com/fex-team/webuploader).
@Suite("WebUploader's request") struct WebUploaderTests {
    private static let boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW"

    private static let fields = [
        ("file_id", "file"), ("guid", "17000000000013"), ("file_name", "我的 \"视频\".mp4"), ("id", "WU_FILE_3"),
        ("name", "我的 \"视频\".mp4"), ("type", "video/mp4"),
        ("lastModifiedDate", "Tue Nov 14 2023 22:13:20 GMT+0800 (中国标准时间)"), ("size", "1073741824"),
        ("chunks", "512"), ("chunk", "0"), ("md5", "d41d8cd98f00b204e9800998ecf8427e"), ("class_id", "7"),
    ]

    private static func body(content: [UInt8]) -> (bytes: [UInt8], content: Range<Int>) {
        var bytes: [UInt8] = []
        for (name, value) in fields {
            bytes += "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n".utf8
        }
        bytes += "--\(boundary)\r\nContent-Disposition: form-data; name=\"file\"; ".utf8
        bytes += "filename=\"我的 %22视频%22.mp4\"\r\nContent-Type: application/octet-stream\r\n\r\n".utf8
        let start = bytes.count
        bytes += content
        let range = start..<bytes.count
        bytes += "\r\n--\(boundary)--\r\n".utf8
        return (bytes, range)
    }

    /// Random bytes with everything in between that could pass for a delimiter, also at the very end.
    private static func content(count: Int) -> [UInt8] {
        var generator = SeededGenerator(seed: UInt64(count))
        var content: [UInt8] = []
        content.reserveCapacity(count + 8)
        while content.count < count { withUnsafeBytes(of: generator.next()) { content += $0 } }
        content.removeLast(content.count - count)

        let decoys =
            ["\r\n--", "\r\n--\(boundary)", "x--\(boundary)--", "\r\n--\(boundary)-", "\r\n--\(boundary) \r"]
            + (0...boundary.utf8.count).map { "\r\n--" + String(boundary.prefix($0)) }
        // In places of their own: one decoy cut off by another could be a real delimiter.
        let places = stride(from: 0, to: count - 128, by: 64).shuffled(using: &generator).prefix(1000)
        for (place, number) in zip(places, 0...) {
            let decoy = Array((decoys[number % decoys.count] + "x").utf8)
            content.replaceSubrange(place..<(place + decoy.count), with: decoy)
        }
        let end = Array("\r\n--\(boundary.dropLast())\r".utf8)
        if count > end.count { content.replaceSubrange((count - end.count)..., with: end) }
        return content
    }

    private static let mebibytes = 2 << 20

    @Test(
        "is parsed with the exact place of the content, from a file and from a stream",
        arguments: [0, 1, 65536, mebibytes - 1, mebibytes, mebibytes + 1])
    func request(count: Int) throws {
        let content = Self.content(count: count)
        let (bytes, range) = Self.body(content: content)
        let delivery = Delivery(bytes, boundary: Self.boundary)
        let deliveries = [
            try delivery.whole(), try delivery.read([], capacity: 65536),
            try delivery.read(repeatElement(32768, count: 100), capacity: 65536),
            try delivery.read((0..<10_000).map { 1 + $0 % 8193 }, capacity: 65536),
        ]
        for outcome in deliveries {
            guard case .form(let form, let passedOn) = outcome else { throw Outcome.Unexpected(outcome: outcome) }
            for (name, value) in Self.fields { #expect(form[name] == value) }
            let file = FilePart(
                fieldName: "file", fileName: "我的 %22视频%22.mp4", contentType: "application/octet-stream",
                content: range)
            #expect(form.file == file)
            // Not `#expect(passedOn == content)`: a failure would print megabytes.
            let isSame = passedOn == content
            #expect(isSame)
        }
    }

    @Test("has everything in the query in sendAsBinary mode") func sendAsBinary() throws {
        let query = "file_id=file&guid=17000000000013&file_name=%E8%A7%86%E9%A2%91.mp4&size=5&class_id=7"
        let form = try URLEncoded.parse(query)
        #expect(form["file_name"] == "视频.mp4")
        #expect(try BodyFormat(contentType: "application/octet-stream") == .other)
    }

    @Test("loses its file when the connection breaks, at any place", arguments: [1, 2, 5, 40, 60, 61, 62, 100_000])
    func broken(missing: Int) throws {
        let (bytes, _) = Self.body(content: Self.content(count: 200_000))
        // The CRLF after the closing delimiter may be missing.
        let outcome = try Delivery(Array(bytes.dropLast(missing)), boundary: Self.boundary).read([], capacity: 65536)
        #expect(outcome.error == (missing <= 2 ? nil : .truncated))
    }
}
