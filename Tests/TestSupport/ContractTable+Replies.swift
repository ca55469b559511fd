import Foundation

extension ContractTable {
    /// The members of `data` and what is wrong with them.
    static func members(_ reply: ReceivedReply, _ expected: Set<String>) -> [String] {
        Set((reply.data ?? [:]).keys) == expected ? [] : ["data has the members \((reply.data ?? [:]).keys.sorted())"]
    }

    static func expect(_ condition: Bool, _ text: String) -> [String] { condition ? [] : [text] }

    private static let timePattern = #"^\d\d-\d\d-\d\d \d\d:\d\d:\d\d$"#

    // MARK: - Stored

    static let stored: [ContractCase] = [
        ContractCase(
            "a chunk is stored, others are missing", code: 2, message: "分片上传成功", leaves: 1,
            request: { _ in page().request(1) },
            check: { reply, _ in
                members(reply, ["chunks", "chunk", "video_id"])
                    + expect(reply.data?["chunks"] as? Int == 3 && reply.data?["chunk"] as? Int == 1, "not 1 of 3")
                    + expect(reply.videoID ?? 0 > 0, "no video_id")
            }),
        ContractCase(
            "the last missing chunk completes the file", code: 1, message: "视频上传成功",
            request: { site in
                let page = page { $0.guid = "complete-\(UInt32.random(in: 0 ... .max))" }
                _ = try site.send(page.request(2))
                _ = try site.send(page.request(0))
                return page.request(1)
            },
            check: { reply, site in
                let file = reply.data?["file"] as? [String: Any]
                let guid = reply.data?["guid"] as? String ?? ""
                return members(reply, ["path", "chunks", "chunk", "size", "guid", "video_id", "file", "id"])
                    + expect(reply.data?["size"] as? String == "292.97K", "size is not 292.97K")
                    + expect(reply.data?["id"] as? String == "WU_FILE_0", "id is not the page's")
                    + expect(reply.path?.hasPrefix("upload/mp4/20") == true, "path is not upload/mp4/YYYY…")
                    + expect(reply.path?.hasSuffix("/original/\(guid).mp4") == true, "path is not …/<guid>.<ext>")
                    + expect(Set((file ?? [:]).keys) == ["name", "type", "tmp_name", "error", "size"], "file is wrong")
                    + expect(file?["tmp_name"] as? String == "" && file?["size"] as? Int == 100_000, "file is wrong")
                    + expect(try site.storedBytes(reply.path ?? "").count == 299_999, "the file has another length")
            }),
        ContractCase(
            "a whole file", code: 1, message: "视频上传成功",
            request: { _ in
                var small = PageUpload(title: "假日 \"1\"", content: videoBytes(2_000_000))
                small.extraFields = [("unsize_change", "1")]
                return small.request()
            },
            check: { reply, _ in
                let video = reply.data?["video_data"] as? [String: Any] ?? [:]
                let time = video["create_time"] as? String ?? ""
                return members(reply, ["path", "video_data", "size", "guid", "video_id", "file", "id"])
                    + expect(reply.data?["size"] as? Int == 2_000_000, "size is not in bytes")
                    + expect(
                        Set(video.keys) == [
                            "video_name", "video_url", "size", "create_time", "update_time", "duration", "md5",
                        ], "video_data has the members \(video.keys.sorted())")
                    + expect(video["video_name"] as? String == "假日 \"1\"", "video_name is wrong")
                    + expect(
                        (video["video_url"] as? String)?.hasSuffix("/" + (reply.path ?? "?")) == true,
                        "video_url is wrong"
                    )
                    + expect(time.range(of: timePattern, options: .regularExpression) != nil, "create_time is \(time)")
            }),
        ContractCase(
            "chunks=1 is the chunk path", code: 1,
            request: { _ in PageUpload(content: videoBytes(2000)).chunkRequest(0) },
            check: { reply, _ in members(reply, ["path", "chunks", "chunk", "size", "guid", "video_id", "file", "id"]) }
        ),
        ContractCase(
            "chunks=0 is the whole-file path", code: 1,
            request: { _ in
                var small = PageUpload(content: videoBytes(2000))
                small.extraFields = [("chunks", "0"), ("chunk", "0")]
                return small.wholeRequest()
            },
            check: { reply, _ in members(reply, ["path", "video_data", "size", "guid", "video_id", "file", "id"]) }),
        ContractCase(
            "an md5 in capitals is kept in lower case", code: 1,
            request: { _ in
                var small = PageUpload(content: videoBytes(2000))
                small.md5 = small.md5.uppercased()
                return small.request()
            },
            check: { reply, _ in
                let md5 = (reply.data?["video_data"] as? [String: Any])?["md5"] as? String
                return expect(md5 != nil && md5 == md5?.lowercased(), "md5 is \(md5 ?? "missing")")
            }),
        ContractCase(
            "keepFileName keeps the sanitised name", code: 1,
            request: { _ in
                var small = PageUpload(fileName: "my ../holiday (1) é.mp4", content: videoBytes(2000))
                small.extraFields = [("keepFileName", "1")]
                return small.request()
            },
            check: { reply, _ in
                let isKept = reply.path?.range(of: #"/original/holiday_1(-\d+)?\.mp4$"#, options: .regularExpression)
                return expect(isKept != nil, "path is \(reply.path ?? "missing")")
            }),
        ContractCase(
            "a taken name gets -<video_id>", code: 1,
            request: { site in
                let first = PageUpload(content: videoBytes(2000))
                _ = try site.send(first.request())
                return PageUpload(guid: first.guid, content: videoBytes(2000)).request()
            },
            check: { reply, _ in
                expect(
                    reply.path?.hasSuffix("-\(reply.videoID ?? 0).mp4") == true, "path is \(reply.path ?? "missing")")
            }),
        ContractCase(
            "every later request of a complete file's guid gets the same data", code: 1,
            request: { site in
                let page = page()
                for chunk in 0..<3 { _ = try site.send(page.request(chunk)) }
                let again = try site.send(page.request(0))
                return again.code == 1 ? page.request(1) : SentRequest("/not the same")
            },
            check: { reply, _ in expect(reply.data?["chunk"] as? Int == 1, "not its own chunk") }),
        ContractCase(
            "the last chunk of a page without size comes again once another has told where it belongs", status: 409,
            code: -2, reason: .retry, message: "分片上传失败",
            request: { _ in page { $0.overrides["size"] = .some(nil) }.request(2) }),
        ContractCase(
            "a page without size completes, with the last chunk tried first", code: 1,
            request: { site in
                let page = page { $0.overrides["size"] = .some(nil) }
                _ = try site.send(page.request(2))
                _ = try site.send(page.request(1))
                _ = try site.send(page.request(2))
                return page.request(0)
            },
            check: { reply, site in
                expect(try site.storedBytes(reply.path ?? "").count == 299_999, "the file has another length")
            }),
        ContractCase(
            "content that the owner has is kept once", code: 1,
            request: { site in
                let page = page()
                for chunk in 0..<3 { _ = try site.send(page.request(chunk)) }
                let files = site.publishedFiles().count
                var second = page
                second.guid = PageUpload.newGuid()
                second.chunkSize = 150_000
                let first = try site.send(second.request(0))
                guard first.code == 2, site.publishedFiles().count == files else { return SentRequest("/not 2") }
                return second.request(1)
            },
            check: { reply, site in
                let guid = reply.data?["guid"] as? String ?? "?"
                return expect(reply.path?.contains(guid) == false, "path is not the existing one")
                    + expect(try site.storedBytes(reply.path ?? "").count == 299_999, "the file has another length")
            }),
        ContractCase(
            "content that only claims to be one the owner has is refused", code: -3, reason: .md5,
            message: "上传文件出错!msg:…",
            request: { site in
                let page = page()
                for chunk in 0..<3 { _ = try site.send(page.request(chunk)) }
                var second = page
                second.guid = PageUpload.newGuid()
                second.content[299_998] ^= 1
                for chunk in 0..<2 { _ = try site.send(second.request(chunk)) }
                return second.request(2)
            }),
    ]

    /// A video in three chunks.
    private static func page(_ change: (inout PageUpload) -> Void = { _ in }) -> PageUpload {
        var page = PageUpload(content: videoBytes(299_999))
        page.chunkSize = 100_000
        change(&page)
        return page
    }

    // MARK: - determine_video_exist, determine_chunk_exist

    private static let videoMembers: Set = [
        "video_id", "video_url", "video_name", "size", "duration", "md5", "class_id", "game_name", "create_time",
    ]

    static let determine: [ContractCase] =
        ["", "0", "xyz", "../../../../../../etc/passwd0000"].map { md5 in
            ContractCase(
                "determine_video_exist with md5=\(md5)", code: -1,
                reason: ["", "0"].contains(md5) ? .missingParameter : .malformed,
                request: { _ in .form("/service/upload/determine_video_exist", [("md5", md5), ("type", "1")]) })
        } + [
            ContractCase(
                "determine_video_exist without md5", code: -1, reason: .missingParameter,
                request: { _ in SentRequest("/service/upload/determine_video_exist") }),
            ContractCase(
                "a video that does not exist", code: 2,
                request: { _ in PageUpload(content: videoBytes(100)).determineRequest() }),
            ContractCase(
                "a video that exists", code: 1,
                request: { site in
                    let page = PageUpload(title: "here", content: videoBytes(2000))
                    _ = try site.send(page.request())
                    return page.determineRequest()
                },
                check: { reply, _ in
                    members(reply, videoMembers)
                        + expect(reply.data?["video_name"] as? String == "here", "another video")
                        + expect(reply.data?["size"] as? Int == 2000, "size is not in bytes")
                        + expect(reply.data?["game_name"] as? String == "", "game_name is not empty")
                        + expect(reply.data?["class_id"] is NSNull, "class_id is not null")
                }),
            ContractCase(
                "a video of another size is not the same", code: 2,
                request: { site in
                    let page = PageUpload(content: videoBytes(2000))
                    _ = try site.send(page.request())
                    return page.determineRequest([("size", "2001")])
                }),
            ContractCase(
                "with file_name a new record points to the same file", code: 1,
                request: { site in
                    let page = PageUpload(title: "old", content: videoBytes(2000))
                    _ = try site.send(page.request())
                    return page.determineRequest([("file_name", "new"), ("guid", PageUpload.newGuid())])
                },
                check: { reply, site in
                    expect(reply.data?["video_name"] as? String == "new", "not the new record")
                        + expect((reply.data?["video_url"] as? String)?.contains("/upload/mp4/") == true, "no address")
                }),
            ContractCase(
                "asking twice for a guid makes one record", code: 1,
                request: { site in
                    let page = PageUpload(content: videoBytes(2000))
                    _ = try site.send(page.request())
                    let ask = page.determineRequest([("file_name", "copy"), ("guid", PageUpload.newGuid())])
                    let first = try site.send(ask)
                    let second = try site.send(ask)
                    return first.videoID == second.videoID ? ask : SentRequest("/two records")
                }),
            ContractCase(
                "a video is its owner's alone", code: 2,
                request: { site in
                    var page = PageUpload(content: videoBytes(2000))
                    page.owner = "alice"
                    _ = try site.send(page.request())
                    page.owner = "bob"
                    return page.determineRequest()
                }),
            ContractCase(
                "no such upload is under way", code: 2,
                request: { _ in
                    .form(
                        "/service/upload/determine_chunk_exist",
                        [("md5", md5Hex(videoBytes(50))), ("size", "100"), ("chunks", "2")])
                }),
            ContractCase(
                "the chunks that are there", code: 1, leaves: 1,
                request: { site in
                    let page = page()
                    for chunk in [0, 2] { _ = try site.send(page.request(chunk)) }
                    return .form(
                        "/service/upload/determine_chunk_exist",
                        [("md5", page.md5), ("size", "299999"), ("chunks", "3")])
                },
                check: { reply, _ in
                    members(reply, ["chunks", "received"])
                        + expect(reply.data?["received"] as? String == "0,2", "received is not 0,2")
                }),
        ]
        + [(1, 0), (2, 1)].map { chunk, exist in
            ContractCase(
                "whether chunk \(chunk) is there", code: 1, leaves: 1,
                request: { site in
                    let page = page()
                    _ = try site.send(page.request(2))
                    return .form(
                        "/service/upload/determine_chunk_exist",
                        [("md5", page.md5), ("size", "299999"), ("chunks", "3"), ("chunk", "\(chunk)")])
                },
                check: { reply, _ in
                    members(reply, ["exist"]) + expect(reply.data?["exist"] as? Int == exist, "exist is not \(exist)")
                })
        }
        + [
            [("size", "100"), ("chunks", "2")], [("md5", "x"), ("size", "100"), ("chunks", "2")],
            [("md5", String(repeating: "a", count: 32)), ("chunks", "2")],
            [("md5", String(repeating: "a", count: 32)), ("size", "100")],
            [("md5", String(repeating: "a", count: 32)), ("size", "100"), ("chunks", "2"), ("chunk", "2")],
        ].map { fields in
            ContractCase(
                "determine_chunk_exist with \(fields.map { "\($0.0)=\($0.1.prefix(3))" }.joined(separator: "&"))",
                code: -1, reason: fields[0].0 == "md5" ? .malformed : .missingParameter,
                request: { _ in .form("/service/upload/determine_chunk_exist", fields) })
        }
}
