import Foundation
import Intake
import Testing
import TestSupport

/// Texts that clients send: what they are, and how long.
@Suite struct TextTests {
    /// Stands for other bytes in a request's body.
    private static let mark = "@mark@"
    /// 中文 in GBK.
    private static let gbk: [UInt8] = [0xD6, 0xD0, 0xCE, 0xC4]

    private func page() -> PageUpload {
        var page = PageUpload(content: videoBytes(299_999))
        page.chunkSize = 100_000
        return page
    }

    /// A request with other bytes in the place of the mark.
    private func replaced(_ request: SentRequest, with bytes: [UInt8]) throws -> SentRequest {
        var request = request
        var body = Data(request.body)
        let place = try #require(body.range(of: Data(Self.mark.utf8)), "no mark in the request")
        body.replaceSubrange(place, with: bytes)
        request.body = Array(body)
        return request
    }

    /// Names in the message are those of the fields.
    private static let fields = ["guid", "file_name", "md5", "id", "class_id", "size", "file_id", "unsize_change"]

    @Test(
        "a field that is used and is no text refuses every chunk with its name, and nothing is stored",
        arguments: fields, [gbk, [0x61, 0, 0x62], [0xC0, 0x80], [0xED, 0xA0, 0x80]])
    func notText(field: String, bytes: [UInt8]) throws {
        let site = try InProcessSite()
        var page = page()
        if Self.fields.prefix(6).contains(field) {
            page.overrides[field] = Self.mark
        } else {
            page.extraFields = [(field, Self.mark)]
        }
        for chunk in 0..<page.chunks {
            let reply = try site.send(try replaced(page.request(chunk), with: bytes))
            #expect(reply.code == -1 && reply.status == 200)
            #expect(reply.message?.contains("\(field) 错误:必须是 UTF-8") == true, "\(reply)")
        }
        #expect(try site.recordCount() == 0 && site.incomingFiles() == [])
    }

    @Test("so does the file's own name or type", arguments: ["name", "type"]) func notTextInPart(which: String) throws {
        let site = try InProcessSite()
        for bytes in [Self.gbk, [0x61, 0, 0x62]] {
            var form = MultipartForm()
            for (name, value) in [("guid", "1"), ("file_name", "a"), ("md5", md5Hex([1]))] { form.add(name, value) }
            form.addFile(
                "file", fileName: which == "name" ? Self.mark + ".mp4" : "a.mp4",
                type: which == "type" ? Self.mark : "video/mp4", videoBytes(100))
            let reply = try site.send(try replaced(form.request("/service/upload/upload_file"), with: bytes))
            #expect(reply.code == -1 && reply.message?.contains("file 错误") == true, "\(reply)")
        }
        #expect(try site.recordCount() == 0 && site.incomingFiles() == [])
    }

    @Test("a field that nothing reads may have any bytes") func unused() throws {
        let site = try InProcessSite()
        var page = page()
        page.overrides["lastModifiedDate"] = "Sat Nov 21 2026 GMT+0800 (\(Self.mark))"
        for (chunk, bytes) in [Self.gbk, [0], [0xFF]].enumerated() {
            let reply = try site.send(try replaced(page.request(chunk), with: bytes))
            #expect(reply.code == (chunk == 2 ? 1 : 2), "\(reply)")
        }
    }

    @Test("a query and an urlencoded body are read the same way") func encoded() throws {
        let site = try InProcessSite()
        let md5 = md5Hex([1])
        for query in ["file_name=%D6%D0", "file_name=a%00b", "guid=%FF", "class_id=%FF", "size=%00"] {
            let field = query.prefix { $0 != "=" }
            let stored = page()
            for chunk in 0..<stored.chunks { _ = try site.send(stored.request(chunk)) }
            let records = try site.recordCount()
            for request in [
                SentRequest("/service/upload/determine_video_exist?md5=\(stored.md5)&file_name=a&\(query)"),
                SentRequest(
                    "/service/upload/determine_video_exist", contentType: "application/x-www-form-urlencoded",
                    body: Array("md5=\(stored.md5)&file_name=a&\(query)".utf8)),
            ] {
                let reply = try site.send(request)
                #expect(reply.code == -1 && reply.message?.contains("\(field) 错误") == true, "\(reply)")
            }
            #expect(try site.recordCount() == records)
        }
        let unknown = SentRequest("/service/upload/determine_video_exist?md5=\(md5)&lastModifiedDate=%D6%D0")
        #expect(try site.send(unknown).code == 2)
    }

    @Test(
        "a name loses its path and then what is too long, but not its extension nor half a character",
        arguments: [
            ("a.mp4", "a.mp4"), ("/tmp/../a.mp4", "a.mp4"), (#"C:\fakepath\a.mp4"#, "a.mp4"),
            (String(repeating: "x", count: 251) + ".mp4", String(repeating: "x", count: 251) + ".mp4"),
            (String(repeating: "x", count: 252) + ".mp4", String(repeating: "x", count: 251) + ".mp4"),
            (String(repeating: "字", count: 300) + ".mp4", String(repeating: "字", count: 251) + ".mp4"),
            (String(repeating: "😀", count: 300) + ".mp4", String(repeating: "😀", count: 249) + ".mp4"),
            ("/" + String(repeating: "p/", count: 9000) + "a.mp4", "a.mp4"),
        ])
    func names(sent: String, stored: String) throws {
        let site = try InProcessSite()
        var page = page()
        page.title = sent
        page.fileName = sent.utf8.count < 4000 ? sent.replacing("\\", with: "/") : "a.mp4"
        let reply = try site.sendAll(page)
        #expect(reply.code == 1)
        let file = reply.data?["file"] as? [String: Any]
        #expect(file?["name"] as? String == (sent.utf8.count < 4000 ? stored : "a.mp4"))
        let id = Int64(try #require(reply.videoID))
        #expect(try site.catalogue.video(id: id)?.name == stored)
    }

    @Test("an extension that is longer than any is none, and a name that is only a path is no name")
    func oddNames() throws {
        let site = try InProcessSite()
        var page = page()
        page.title = "." + String(repeating: "x", count: 2000)
        for chunk in 0..<page.chunks { _ = try site.send(page.request(chunk)) }
        let named = try site.send(page.determineRequest())
        #expect((named.data?["video_name"] as? String)?.count == 255)
        page.title = "a/b/"
        #expect(try site.send(page.request(0)).message == "guid 或 file_name 或 md5 不能为空")
    }

    @Test(
        "other texts have 255 bytes at most", arguments: ["id", "class_id", "file_id", "unsize_change", "keepFileName"])
    func lengths(field: String) throws {
        let site = try InProcessSite()
        var page = page()
        page.extraFields = [(field, String(repeating: "1", count: 256))]
        let reply = try site.send(page.request(0))
        #expect(reply.code == -1 && reply.message?.contains("\(field) 错误:不能超过 255 字节") == true, "\(reply)")
        #expect(site.incomingFiles() == [])
    }

    @Test("a copy's guid is no longer than that either") func copiedGuid() throws {
        let site = try InProcessSite()
        let page = page()
        for chunk in 0..<page.chunks { _ = try site.send(page.request(chunk)) }
        let fields = [("file_name", "copy"), ("guid", String(repeating: "g", count: 256))]
        #expect(try site.send(page.determineRequest(fields)).code == -1)
        #expect(try site.recordCount() == 1)
    }
}
