import ChunkStore
import Foundation
import Intake

/// Every reply and every limit that pages are promised, to be run against any site with default settings.
package enum ContractTable {
    package static let all = routes + reading + readingLimits + empty + malformed + refused + stored + determine + info

    private static let upload = "/service/upload/upload_file"
    private static let determineVideo = "/service/upload/determine_video_exist"
    private static let determineChunk = "/service/upload/determine_chunk_exist"

    /// A small video that comes whole.
    private static func small(_ change: (inout PageUpload) -> Void = { _ in }) -> PageUpload {
        var page = PageUpload(content: videoBytes(2000))
        change(&page)
        return page
    }

    /// A video in three chunks of 100 KB, the last a bit shorter.
    private static func chunked(_ change: (inout PageUpload) -> Void = { _ in }) -> PageUpload {
        var page = PageUpload(content: videoBytes(299_999))
        page.chunkSize = 100_000
        change(&page)
        return page
    }

    // MARK: - Routes

    private static let routes: [ContractCase] =
        ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"].flatMap { method in
            [
                upload, "/service/upload/ssl_upload_file", determineVideo, determineChunk, "/service/upload/list_class",
                "/service/upload/video_info",
            ].map { path in
                ContractCase(
                    "\(method) \(path) is not allowed", status: 405, code: method == "HEAD" ? nil : -1,
                    reason: .method,
                    request: { _ in SentRequest(method: method, path) },
                    check: { reply, _ in reply.headers["allow"] == "POST" ? [] : ["no Allow: POST"] })
            }
        } + [
            ContractCase(
                "POST /healthz is not allowed", status: 405, code: -1, reason: .method,
                request: { _ in SentRequest("/healthz") },
                check: { reply, _ in reply.headers["allow"] == "GET, HEAD" ? [] : ["no Allow: GET, HEAD"] }),
            ContractCase("GET /healthz", code: 1, request: { _ in SentRequest(method: "GET", "/healthz") }),
            ContractCase(
                "an unknown action", status: 404, code: -1, reason: .unknownAction,
                request: { _ in SentRequest("/service/upload/nothing") }),
            ContractCase(
                "an action below an action", status: 404, code: -1, reason: .unknownAction,
                request: { _ in SentRequest(upload + "/more") }),
            ContractCase(
                "ssl_upload_file is an alias", code: 1, message: "视频上传成功",
                request: { _ in
                    var request = small().request()
                    request.target = "/service/upload/ssl_upload_file"
                    return request
                }),
        ]

    // MARK: - Reading parameters

    /// A whole small file with this query and these changes to its form; the reply's guid tells what was read.
    private static func reads(
        _ name: String, code: Int = 1, reason: FailureReason? = nil, guid: String? = nil, fileName: String? = nil,
        _ request: @escaping @Sendable () -> SentRequest
    ) -> ContractCase {
        ContractCase(
            name, code: code, reason: reason, request: { _ in request() },
            check: { reply, _ in
                var wrong: [String] = []
                if let guid, reply.data?["guid"] as? String != guid { wrong.append("guid is not \(guid)") }
                let file = reply.data?["file"] as? [String: Any]
                if let fileName, file?["name"] as? String != fileName { wrong.append("file.name is not \(fileName)") }
                return wrong
            })
    }

    private static func whole(
        boundary: String = "xYzZY", parts: (inout MultipartForm, PageUpload) -> Void
    ) -> SentRequest {
        let page = small()
        var form = MultipartForm(boundary: boundary)
        parts(&form, page)
        return form.request(upload)
    }

    private static func addFields(_ form: inout MultipartForm, _ page: PageUpload) {
        for (name, value) in [("guid", page.guid), ("file_name", page.title), ("md5", page.md5)] {
            form.add(name, value)
        }
    }

    private static let reading: [ContractCase] =
        [
            reads("the query counts", guid: "fromQuery") {
                var request = small { $0.overrides["guid"] = .some(nil) }.request()
                request.target += "?guid=fromQuery"
                return request
            },
            reads("the body wins over the query", guid: "fromBody") {
                var request = small { $0.guid = "fromBody" }.request()
                request.target += "?guid=fromQuery"
                return request
            },
            reads("a scalar sent twice: the last wins", guid: "second") {
                small {
                    $0.guid = "first"
                    $0.extraFields = [("guid", "second")]
                }.request()
            },
            reads("n[] is not a scalar", code: -1, reason: .missingParameter) {
                small {
                    $0.overrides["guid"] = .some(nil)
                    $0.extraFields = [("guid[]", "array")]
                }.request()
            },
            reads("n[k] is not a scalar", code: -1, reason: .missingParameter) {
                small { $0.extraFields = [("md5[x]", "array")] }.request()
            },
            reads("an array in the body hides the query's scalar", code: -1, reason: .missingParameter) {
                var request = small {
                    $0.overrides["guid"] = .some(nil)
                    $0.extraFields = [("guid[]", "array")]
                }.request()
                request.target += "?guid=fromQuery"
                return request
            },
            reads("file_id names the file's field") {
                whole { form, page in
                    addFields(&form, page)
                    form.add("file_id", "video")
                    form.addFile("video", fileName: "a.mp4", type: "video/mp4", page.content)
                }
            },
            reads("a file in another field than file_id says is none", code: -1, reason: .missingFile) {
                whole { form, page in
                    addFields(&form, page)
                    form.addFile("video", fileName: "a.mp4", type: "video/mp4", page.content)
                }
            },
            reads("the file part may come first") {
                whole { form, page in
                    form.addFile("file", fileName: "a.mp4", type: "video/mp4", page.content)
                    addFields(&form, page)
                }
            },
            reads("line feeds alone end header lines") {
                whole { form, page in
                    addFields(&form, page)
                    form.addPart("Content-Disposition: form-data; name=\"file\"; filename=\"a.mp4\"\n", page.content)
                }
            },
            reads("names without quotes and in single quotes are accepted", fileName: "a.mp4") {
                whole { form, page in
                    form.addPart("Content-Disposition: form-data; name=guid\r\n", Array(page.guid.utf8))
                    form.addPart("content-disposition: form-data; name='file_name'\r\n", Array(page.title.utf8))
                    form.add("md5", page.md5)
                    form.addPart("Content-Disposition: form-data; name=file; filename='a.mp4'\r\n", page.content)
                }
            },
            reads("a quoted boundary is accepted") {
                var request = small().request()
                request.contentType =
                    request.contentType!.replacingOccurrences(of: "boundary=", with: "boundary=\"") + "\""
                return request
            },
            reads("text that is not UTF-8 is refused", code: -1, reason: .malformed) {
                whole { form, page in
                    addFields(&form, page)
                    form.addPart("Content-Disposition: form-data; name=\"id\"\r\n", [0xD6, 0xD0, 0xCE, 0xC4, 0xFF])
                    form.addFile("file", fileName: "a.mp4", type: "video/mp4", page.content)
                }
            },
            reads("a content that looks like delimiters is kept whole") {
                var page = small()
                page.content += Array("\r\n--xYzZ\r\n--xYzZYX\r\n--\r\n-".utf8)
                page.md5 = md5Hex(page.content)
                var form = MultipartForm(boundary: "xYzZY")
                addFields(&form, page)
                form.addFile("file", fileName: "a.mp4", type: "video/mp4", page.content)
                return form.request(upload)
            },
            reads("another body type leaves the form empty", code: -1, reason: .missingParameter) {
                SentRequest(upload, contentType: "application/json", body: Array(#"{"guid":"1"}"#.utf8))
            },
            reads("multipart without a boundary leaves the form empty", code: -1, reason: .missingParameter) {
                var request = small().request()
                request.contentType = "multipart/form-data"
                return request
            },
            reads("an urlencoded body has no file", code: -1, reason: .missingFile) {
                .form(upload, [("guid", "1"), ("file_name", "a"), ("md5", String(repeating: "a", count: 32))])
            },
            reads("sendAsBinary: all parameters in the query, the file as the body", fileName: "a b.mp4") {
                let page = small()
                let query = urlEncode([
                    ("guid", page.guid), ("file_name", page.title), ("md5", page.md5), ("name", "a b.mp4"),
                    ("size", "\(page.content.count)"),
                ])
                return SentRequest("\(upload)?\(query)", contentType: "video/mp4", body: page.content)
            },
            reads("sendAsBinary without a media type") {
                let page = small()
                let query = urlEncode([
                    ("guid", page.guid), ("file_name", page.title), ("md5", page.md5), ("name", "a.mp4"),
                    ("chunks", "1"), ("chunk", "0"),
                ])
                return SentRequest("\(upload)?\(query)", body: page.content)
            },
        ]
        + [
            (#"C:\fakepath\a.mp4"#, "a.mp4"), ("../../etc/a.mp4", "a.mp4"), (#"say \"hi\".mp4"#, #"say "hi".mp4"#),
            ("a%22b.mp4", "a%22b.mp4"), ("a%2Fb.mp4", "a%2Fb.mp4"), ("假日.mp4", "假日.mp4"), ("a b;c.MP4", "a b;c.MP4"),
        ].map { sent, read in
            reads("the file name \(sent) is read as \(read)", fileName: read) {
                small { $0.fileName = sent }.request()
            }
        }

    // MARK: - Limits

    private static func limit(_ name: String, isOver: Bool, _ request: @escaping @Sendable () -> SentRequest)
        -> ContractCase
    {
        ContractCase(
            name, status: isOver ? 400 : 200, code: isOver ? -1 : 1, reason: isOver ? .formLimit : nil,
            request: { _ in request() })
    }

    private static let readingLimits: [ContractCase] =
        [64, 65].map { parts in
            limit("\(parts) parts", isOver: parts > 64) {
                whole { form, page in
                    addFields(&form, page)
                    for number in 4..<parts { form.add("extra\(number)", "") }
                    form.addFile("file", fileName: "a.mp4", type: "video/mp4", page.content)
                }
            }
        }
        + [8192, 8193].map { bytes in
            limit("\(bytes) bytes of part headers", isOver: bytes > 8192) {
                whole { form, page in
                    addFields(&form, page)
                    let start = "Content-Disposition: form-data; name=\"file\"; filename=\"a.mp4\"\r\nX-Long: "
                    // The empty line after the headers counts.
                    let rest = String(repeating: "x", count: bytes - start.utf8.count - 4)
                    form.addPart("\(start)\(rest)\r\n", page.content)
                }
            }
        }
        + [65_536, 65_537].map { bytes in
            limit("a text field of \(bytes) bytes", isOver: bytes > 65_536) {
                small { $0.extraFields = [("note", String(repeating: "x", count: bytes))] }.request()
            }
        }
        + [70, 71].map { bytes in
            limit("a boundary of \(bytes) bytes", isOver: bytes > 70) {
                whole(boundary: String(repeating: "b", count: bytes)) { form, page in
                    addFields(&form, page)
                    form.addFile("file", fileName: "a.mp4", type: "video/mp4", page.content)
                }
            }
        }
        + [
            limit("two files", isOver: true) {
                whole { form, page in
                    addFields(&form, page)
                    form.addFile("file", fileName: "a.mp4", type: "video/mp4", page.content)
                    form.addFile("file2", fileName: "b.mp4", type: "video/mp4", page.content)
                }
            },
            ContractCase(
                "a body over the limit", status: 413, code: -1, reason: .bodyLimit, message: "请求体不能超过 5242880 字节",
                request: { _ in
                    PageUpload(content: videoBytes(6_000_000)).wholeRequest()
                }),
            ContractCase(
                "a body of the limit", code: 1,
                request: { _ in
                    var page = PageUpload(content: videoBytes(5_242_880 - 2000))
                    let overhead = page.wholeRequest().body.count - page.content.count
                    page.content = videoBytes(5_242_880 - overhead)
                    page.md5 = md5Hex(page.content)
                    return page.wholeRequest()
                }),
        ]

    // MARK: - Empty parameters

    private static let empty: [ContractCase] =
        ["guid", "file_name", "md5"].flatMap { field in
            [("absent", nil), ("\"\"", ""), ("\"0\"", "0")].map { label, value in
                ContractCase(
                    "\(field) is \(label)", code: -1, reason: .missingParameter, message: "guid 或 file_name 或 md5 不能为空",
                    request: { _ in small { $0.overrides[field] = .some(value) }.request() })
            }
        } + [
            ContractCase(
                "a guid of one space is not empty but malformed", code: -1, reason: .malformed, message: "参数 guid 错误…",
                request: { _ in small { $0.overrides["guid"] = " " }.request() }),
            ContractCase(
                "empty parameters come before a missing file", code: -1, reason: .missingParameter,
                message: "guid 或 file_name 或 md5 不能为空",
                request: { _ in .form(upload, [("guid", "1")]) }),
            ContractCase(
                "no file part", code: -1, reason: .missingFile, message: "请上传一个文件",
                request: { _ in whole { form, page in addFields(&form, page) } }),
            ContractCase(
                "a file part without a name", code: -1, reason: .missingFile, message: "请上传一个文件",
                request: { _ in small { $0.fileName = "" }.request() }),
        ]

    // MARK: - Malformed values

    private static func malformed(_ field: String, _ value: String, _ page: PageUpload? = nil) -> ContractCase {
        let shown = value.count > 40 ? "\(value.prefix(12))… (\(value.count) characters)" : value
        return ContractCase(
            "\(field)=\(shown) is malformed", code: -1, reason: .malformed, message: "参数 \(field) 错误…",
            request: { _ in
                var page = page ?? chunked()
                page.overrides[field] = value
                return page.request()
            })
    }

    private static let malformed: [ContractCase] =
        [
            "../../etc/passwd", "a/b", "a.b", "a b", "中文", String(repeating: "a", count: 65), "a\u{0}b", "a\r\nb", "..",
        ].map { malformed("guid", $0) }
        + [
            "xyz", String(repeating: "a", count: 31), String(repeating: "a", count: 33),
            String(repeating: "g", count: 32), "../../../../../../etc/passwd0000", String(repeating: "é", count: 16),
        ].map { malformed("md5", $0) }
        + ["x", "-1", "1.5", "4097", "99999999999999999999", " 3", "0x3", "+3"].map { malformed("chunks", $0) }
        + ["x", "-1", "3", "1e1", "99999999999999999999", ""].map { malformed("chunk", $0) }
        + ["0", "-5", "2147483649", "1.5M", "99999999999999999999", "١٠"].map { malformed("size", $0) }
        + [
            ContractCase(
                "chunk is absent where chunks is not", code: -1, reason: .malformed, message: "参数 chunk 错误…",
                request: { _ in chunked { $0.overrides["chunk"] = .some(nil) }.request() }),
            ContractCase(
                "a chunk's length contradicts size and chunks", status: 409, code: -2, reason: .length,
                message: "参数 file 错误…",
                request: { _ in chunked { $0.overrides["size"] = "250000000" }.request() }),
            ContractCase(
                "a chunk's length contradicts an earlier chunk's", status: 409, code: -2, reason: .length,
                message: "参数 file 错误…", leaves: 1,
                request: { site in
                    let page = chunked()
                    _ = try site.send(page.request(0))
                    return page.chunkRequest(1, bytes: Array(page.bytes(of: 1).dropLast()))
                }),
            ContractCase(
                "a guid whose chunks are in one upload does not go on with another, but for its first chunk",
                status: 409,
                code: -2, reason: .length, message: "参数 file 错误…", leaves: 1,
                request: { site in
                    // Three chunks of 100,000 and 110,000 bytes can both be right.
                    let page = chunked()
                    _ = try site.send(page.request(0))
                    return page.chunkRequest(1, bytes: videoBytes(110_000))
                }),
            ContractCase(
                "another page with chunks of another length has an upload of its own", code: 1, leaves: 1,
                request: { site in
                    let page = chunked()
                    var other = page
                    other.guid = PageUpload.newGuid()
                    other.chunkSize = 110_000
                    for chunk in 0..<2 { _ = try site.send(page.request(chunk)) }
                    for chunk in 0..<2 { _ = try site.send(other.request(chunk)) }
                    return other.request(2)
                }),
            ContractCase(
                "a whole file's length is not size", code: -1, reason: .malformed, message: "参数 size 错误…",
                request: { _ in small { $0.overrides["size"] = "1999" }.request() }),
            ContractCase(
                "an empty file", code: -1, reason: .malformed, message: "参数 file 错误…",
                request: { _ in
                    small {
                        $0.content = []
                        $0.overrides["size"] = .some(nil)
                    }.wholeRequest()
                }),
        ]
        + [0, 1, 2].flatMap { chunk in
            [("empty", 0), ("two bytes", 2), ("too long", 1_000_000)].map { label, length in
                ContractCase(
                    "chunk \(chunk) of 3 is \(label)", status: 409, code: -2, reason: .length, message: "参数 file 错误…",
                    request: { _ in
                        let page = chunked()
                        return page.chunkRequest(chunk, bytes: Array(videoBytes(max(length, 12)).prefix(length)))
                    })
            }
        }

    // MARK: - Refused, and what may be tried again

    private static let refused: [ContractCase] =
        ["a.exe", "a.mp4.php", "mp4", "a.", ".mp4x", "a.php"].map { name in
            ContractCase(
                "the extension of \(name) is not allowed", code: -3, reason: .fileExtension, message: "上传文件出错!msg:…",
                request: { _ in small { $0.fileName = name }.request() })
        } + [
            ContractCase(
                "a whole file that is no video", code: -3, reason: .container, message: "上传文件出错!msg:…",
                request: { _ in PageUpload(content: Array("<?php phpinfo(); ?>".utf8)).request() }),
            ContractCase(
                "a first chunk that is no video", code: -3, reason: .container, message: "上传文件出错!msg:…",
                request: { _ in
                    chunked {
                        $0.content.replaceSubrange(0..<4, with: [1, 2, 3, 4])
                        $0.content.replaceSubrange(4..<8, with: Array("nope".utf8))
                    }.request(0)
                }),
            ContractCase(
                "a chunk after a first chunk that is no video", code: -3, reason: .container, message: "上传文件出错!msg:…",
                request: { site in
                    let page = chunked { $0.content.replaceSubrange(0..<8, with: Array("not mp4!".utf8)) }
                    _ = try site.send(page.request(1))
                    _ = try site.send(page.request(0))
                    return page.request(2)
                }),
            ContractCase(
                "an upload whose first chunk was no video goes on when a right one comes", code: 1,
                request: { site in
                    let page = chunked()
                    _ = try site.send(page.chunkRequest(0, bytes: [UInt8](repeating: 7, count: 100_000)))
                    _ = try site.send(page.request(0))
                    _ = try site.send(page.request(1))
                    return page.request(2)
                }),
            ContractCase(
                "a whole file with another md5", code: -3, reason: .md5, message: "上传文件出错!msg:…",
                request: { _ in small { $0.md5 = String(repeating: "a", count: 32) }.request() },
                check: { reply, _ in reply.message?.contains("(md5)") == true ? [] : ["msg does not say md5"] }),
            ContractCase(
                "chunks with another md5", code: -3, reason: .md5, message: "上传文件出错!msg:…",
                request: { site in
                    let page = chunked { $0.md5 = md5Hex(Array($0.guid.utf8)) }
                    for chunk in 0..<2 { _ = try site.send(page.request(chunk)) }
                    return page.request(2)
                }),
            ContractCase(
                "an upload with another md5 starts afresh", code: 1,
                request: { site in
                    var page = chunked()
                    let right = page.content
                    page.content[150_000] ^= 1
                    for chunk in 0..<3 { _ = try site.send(page.request(chunk)) }
                    page.content = right
                    for chunk in 0..<2 { _ = try site.send(page.request(chunk)) }
                    return page.request(2)
                }),
            ContractCase(
                "a truncated body", status: 409, code: -2, reason: .retry, message: "分片上传失败",
                request: { _ in
                    var request = chunked().request(1)
                    request.body.removeLast(50_000)
                    return request
                }),
            ContractCase(
                "the record cannot be saved", code: -6, reason: .record, message: "视频信息保存失败", leaves: 1,
                request: { site in
                    try site.failRecords(named: "unsaveable")
                    return small { $0.title = "unsaveable" }.request()
                },
                check: { _, site in
                    site.publishedFiles().allSatisfy { !$0.contains("unsaveable") } ? [] : ["a file was published"]
                }),
        ]
}
