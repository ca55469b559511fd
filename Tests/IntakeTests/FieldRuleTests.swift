import FormData
import Foundation
import Model
import TestSupport
import Testing

@testable import Intake

/// The contract's table of fields, row by row.
@Suite struct FieldRuleTests {
    private static let actions = ["upload_file", "determine_video_exist", "determine_chunk_exist", "video_info"]
    private static let tooLong = String(repeating: "x", count: 256)

    /// A small file of one request, with these fields in place of the page's; `nil` leaves one out.
    private static func whole(_ overrides: [String: String?] = [:]) -> SentRequest {
        var page = PageUpload(content: videoBytes(2000))
        page.overrides = overrides
        return page.request()
    }

    /// One of three chunks.
    private static func chunk(_ overrides: [String: String?] = [:], bytes: [UInt8]? = nil) -> SentRequest {
        var page = PageUpload(content: videoBytes(2999))
        page.chunkSize = 1000
        page.overrides = overrides
        // Those that pages send seldom.
        for name in ["unsize_change", "keepFileName"] {
            if let value = overrides[name] ?? nil { page.extraFields.append((name, value)) }
        }
        return page.chunkRequest(1, bytes: bytes)
    }

    /// A form with a file part that has these headers.
    private static func part(_ headers: String) -> SentRequest {
        let page = PageUpload(content: videoBytes(2000))
        var form = MultipartForm()
        for (name, value) in [("guid", page.guid), ("file_name", "a"), ("md5", page.md5)] { form.add(name, value) }
        form.addPart("Content-Disposition: form-data; name=\"file\"; \(headers)\r\n", page.content)
        return form.request("/service/upload/upload_file")
    }

    /// A question that is right but for these fields.
    private static func ask(_ action: String, _ overrides: [(String, String)], owner: String? = nil) -> SentRequest {
        let right = [("md5", md5Hex([])), ("size", "2999"), ("chunks", "3"), ("video_id", "1")]
        let fields = right.filter { name, _ in !overrides.contains { $0.0 == name } } + overrides
        return .form("/service/upload/\(action)", fields, owner: owner)
    }

    /// Of each row of the table: field, action and rule; and what breaks it.
    private static let rows: [(field: String, of: String, rule: String, requests: [SentRequest])] = [
        (
            "`guid`, `file_name`, `md5`", "upload_file", "must not be empty",
            ["guid", "file_name", "md5"].flatMap { [whole([$0: "0"]), whole([$0: nil]), chunk([$0: ""])] }
        ),
        (
            "`md5`", "determine_video_exist, determine_chunk_exist", "must not be empty",
            actions[1...2].flatMap { [ask($0, [("md5", "")]), ask($0, [("md5", "0")])] }
        ),
        ("`size`", "determine_chunk_exist", "must not be empty", [ask(actions[2], [("size", "")])]),
        (
            "the file", "upload_file", "must be there with a name, in the field that `file_id` names",
            [whole(["file_id": "other"]), part("filename=\"\"")]
        ),
        (
            "the file", "upload_file, without chunks", "must not be an empty file",
            [
                {
                    var page = PageUpload(content: [])
                    page.overrides["size"] = .some(nil)
                    return page.wholeRequest()
                }()
            ]
        ),
        (
            "the file", "upload_file, in chunks",
            "must be as long as its number, `size`, `chunks` and the other chunks say",
            [chunk(bytes: []), chunk(bytes: videoBytes(2000))]
        ),
        (
            "the file's name", "upload_file", "must end in one of the `EXTENSIONS`",
            [PageUpload(fileName: "a.exe", content: videoBytes(2000)).request()]
        ),
        (
            "the file's type", "upload_file", "must not exceed 255 bytes",
            [part("filename=\"a.mp4\"\r\nContent-Type: \(tooLong)")]
        ),
        (
            "the file's name and type", "upload_file", "must be UTF-8 text without NUL",
            [part("filename=\"a\0.mp4\""), part("filename=\"a.mp4\"\r\nContent-Type: a\0")]
        ),
        (
            "`guid`", "upload_file", "must be 1 to 64 letters, digits, _ or -",
            [whole(["guid": "a b"]), chunk(["guid": String(repeating: "a", count: 65)])]
        ),
        (
            "`md5`", actions[0...2].joined(separator: ", "), "must be 32 hexadecimal digits",
            [whole(["md5": "x"])] + actions[1...2].map { ask($0, [("md5", String(repeating: "g", count: 32))]) }
        ),
        (
            "`size`", actions[0...2].joined(separator: ", "), "must be a whole number from 1 to 2147483648, in bytes",
            [whole(["size": "0"]), chunk(["size": "2147483649"])] + actions[1...2].map { ask($0, [("size", "-1")]) }
        ),
        ("`size`", "upload_file, without chunks", "must be the file's length", [whole(["size": "1999"])]),
        (
            "`chunks`", "upload_file", "must be a whole number from 0 to 4096",
            [chunk(["chunks": "4097"]), chunk(["chunks": "x"])]
        ),
        (
            "`chunks`", "determine_chunk_exist", "must be a whole number from 1 to 4096",
            ["0", "4097", ""].map { ask(actions[2], [("chunks", $0)]) }
        ),
        (
            "`chunk`", "upload_file, determine_chunk_exist", "must be a whole number from 0 to `chunks` - 1",
            [chunk(["chunk": "3"]), chunk(["chunk": nil]), ask(actions[2], [("chunk", "3")])]
        ),
        (
            "`chunk_size`", "determine_chunk_exist", "must be a whole number from 1 to 2147483648, in bytes",
            [ask(actions[2], [("chunk_size", "0")])]
        ),
        (
            "`video_id`", "video_info", "must be a whole number above 0",
            ["0", "-1", "x", ""].map { ask(actions[3], [("video_id", $0)]) }
        ),
        (
            "every parameter that is read, but `file_name`", "all", "must not exceed 255 bytes",
            ["guid", "md5", "size", "chunks", "chunk", "class_id", "id", "file_id", "unsize_change", "keepFileName"].map
            {
                chunk([$0: tooLong])
            } + ["guid", "chunk_size"].map { ask(actions[2], [($0, tooLong)]) }
                + [ask(actions[1], [("md5", tooLong)]), ask(actions[3], [("video_id", tooLong)])]
        ),
        (
            "every parameter that is read", "all", "must be UTF-8 text without NUL",
            ["guid", "md5", "file_name", "id", "class_id"].map { chunk([$0: "a\0"]) }
                + zip(actions[1...], ["md5", "size", "video_id"]).map { ask($0, [($1, "\0")]) }
        ),
        (
            "`UPLOAD_OWNER`, from nginx", "all", "must not exceed 255 bytes",
            actions[1...].map { ask($0, [], owner: tooLong) }
        ),
        (
            "`UPLOAD_OWNER`, from nginx", "all", "must be UTF-8 text without NUL",
            actions[1...].map { ask($0, [], owner: "a\0b") }
        ),
    ]

    /// The cells of the documents' lines with these texts in the first line of a table.
    private static func table(_ head: String) throws -> [[String]] {
        let lines = try Documents.text().components(separatedBy: "\n")
        let start = try #require(lines.firstIndex(of: head))
        return lines[(start + 2)...].prefix { $0.hasPrefix("|") }.map { line in
            line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }

    @Test("the documents have each rule of a field once, and no other")
    func documented() throws {
        let documented = try Self.table("| field | of | rule | reason |").map { $0[..<3].joined(separator: "|") }
        #expect(documented == Self.rows.map { "\($0.field)|\($0.of)|\($0.rule)" })
    }

    @Test(
        "what breaks a rule of a field gets the reason that is documented, and is told the rule",
        arguments: rows.indices)
    func refused(index: Int) throws {
        let row = Self.rows[index]
        let reason = try Self.table("| field | of | rule | reason |")[index][3].trimmingCharacters(in: ["`"])
        let expected = try #require(FailureReason(rawValue: reason)).row
        let site = try InProcessSite { $0.language = .en }
        for request in row.requests {
            let reply = try site.send(request)
            #expect(reply.headers["x-intake-reason"] == reason, "\(reply) to \(request)")
            #expect(reply.code == expected.code && reply.status == expected.status)
            guard reason == "malformed" else { continue }
            let rule = row.rule.replacing("`chunks` - 1", with: "2").replacing(
                "the file's length", with: "the file's length, 2000")
            #expect(reply.message?.hasSuffix(": it \(rule)") == true, "\(reply.message ?? "") to \(request)")
        }
    }

    @Test("the documents have each text that a reason's may contain")
    func texts() throws {
        let forms: [FormError] = [
            .tooManyParts(limit: FormLimits.standard.parts), .tooManyParameters(limit: FormLimits.standard.parts),
            .partHeaderTooLong(limit: FormLimits.standard.partHeaderBytes),
            .nameTooLong(limit: FormLimits.standard.partHeaderBytes),
            .textTooLong(field: "NAME", limit: FormLimits.standard.textBytes),
            .boundaryTooLong(limit: FormLimits.standard.boundaryBytes), .tooManyFiles(limit: FormLimits.standard.files),
        ]
        let failures: [Failure] =
            [.missingParameter, .missingMD5] + forms.map { Failure($0) } + OtherContent.allCases.map { .container($0) }
            + QuotaLimit.allCases.map { .quota($0) }
        let rows = failures.map { ["`\($0.reason.rawValue)`", $0.detail?.en ?? ""] }
        #expect(try Set(Self.table("| reason | … |")) == Set(rows))
    }
}
