import Foundation

/// list_class and video_info.
extension ContractTable {
    private static let infoMembers: Set = [
        "video_id", "video_url", "video_name", "size", "duration", "md5", "class_id", "class_name", "game_name",
        "create_time", "update_time", "state", "progress", "width", "height", "mp4_url", "hls_url", "poster_url",
        "thumbnails_url", "flaws", "failure",
    ]

    private static func askInfo(_ id: String) -> SentRequest {
        .form("/service/upload/video_info", [("video_id", id)])
    }

    static let info: [ContractCase] =
        ["", "0", "-1", "1.5", "1x", "99999999999999999999", "../1"].map { id in
            ContractCase("video_info with video_id=\(id)", code: -1, reason: .malformed, request: { _ in askInfo(id) })
        } + [
            ContractCase(
                "video_info without video_id", code: -1, reason: .malformed,
                request: { _ in SentRequest("/service/upload/video_info") }),
            ContractCase(
                "a video number that nobody has", code: 2, message: "视频不存在",
                request: { _ in askInfo("9223372036854775807") }),
            ContractCase(
                "what is known of a video", code: 1,
                request: { site in
                    let page = PageUpload(title: "here", content: videoBytes(2000))
                    let id = try site.send(page.request()).videoID ?? 0
                    return askInfo("\(id)")
                },
                check: { reply, _ in
                    members(reply, infoMembers)
                        + expect(reply.data?["video_name"] as? String == "here", "another video")
                        + expect(reply.data?["size"] as? Int == 2000, "size is not in bytes")
                        + expect(reply.data?["class_name"] as? String == "", "class_name is not empty")
                        + expect(reply.data?["state"] as? String == "stored", "state is not stored")
                        + expect(reply.data?["mp4_url"] is NSNull, "mp4_url is not null")
                        + expect(reply.data?["flaws"] is NSNull, "flaws is not null")
                        + expect(reply.data?["failure"] is NSNull, "failure is not null")
                }),
            ContractCase(
                "what is known of a video is for its owner alone", code: 2,
                request: { site in
                    var page = PageUpload(content: videoBytes(2000))
                    page.owner = "alice"
                    let id = try site.send(page.request()).videoID ?? 0
                    return SentRequest(
                        "/service/upload/video_info", contentType: "application/x-www-form-urlencoded",
                        body: Array("video_id=\(id)".utf8), owner: "bob")
                }),
            ContractCase(
                "the categories", code: 1, request: { _ in SentRequest("/service/upload/list_class") },
                check: { reply, _ in
                    let limits = reply.data?["limits"] as? [String: Any] ?? [:]
                    return members(reply, ["classes", "limits"])
                        + expect(limits["extensions"] as? [String] == ["mp4", "avi", "flv"], "extensions are others")
                        + expect(limits["size"] as? Int == 2_147_483_648, "size is another one")
                        + expect(limits["body"] as? Int == 5_242_880, "body is another one")
                        + expect(limits["chunk"] as? Int == 2_097_152, "chunk is another one")
                        + expect(limits.count == 4, "limits has other members")
                }),
        ]
}
