import Foundation
import TestSupport
import Testing
import Model

@testable import Intake

/// What is uploaded is told by its content.
@Suite struct ContainerTests {
    @Test("every form of video is taken under every name, which it keeps", arguments: ContainerSample.allCases)
    func names(sample: ContainerSample) throws {
        let site = try InProcessSite(findsDurations: false) { $0.extensions = VideoFormat.fileExtensions }
        let bytes = try sample.bytes
        for fileExtension in VideoFormat.fileExtensions {
            var page = PageUpload(fileName: "clip.\(fileExtension)", content: bytes)
            page.chunkSize = 10_000
            // Other content than under the name before, so that each has a file of its own.
            page.content += Array(fileExtension.utf8)
            page.md5 = md5Hex(page.content)
            var last: ReceivedReply?
            for chunk in 0..<page.chunks { last = try site.send(page.request(chunk)) }
            #expect(last?.code == 1 && page.chunks > 1, "\(fileExtension): \(last?.message ?? "")")
            #expect(last?.path?.hasSuffix(".\(fileExtension)") == true, "\(fileExtension)")
        }
    }

    @Test("the demuxer of its content finds out how long it is", arguments: ContainerSample.allCases)
    func duration(sample: ContainerSample) throws {
        let site = try InProcessSite()
        let page = PageUpload(fileName: "clip.flv", content: try sample.bytes)
        let reply = try site.send(page.wholeRequest())
        #expect(reply.code == 1)
        // A lone reply has it if ffprobe was quick.
        site.service.findDurations()
        let known = try site.send(page.determineRequest()).data?["duration"] as? Double
        #expect(abs(try #require(known) - 2) < 0.3, "\(known ?? -1)")
    }

    @Test("what first chunks are too short for is told when the file is whole")
    func shortChunks() throws {
        let site = try InProcessSite()
        var video = PageUpload(content: try ContainerSample.cutTransportStream.bytes)
        video.chunkSize = 1000
        for chunk in 0..<video.chunks {
            #expect(try site.send(video.request(chunk)).code == (chunk < video.chunks - 1 ? 2 : 1))
        }
        var document = PageUpload(content: Array("%PDF-1.7".utf8) + [UInt8](repeating: 1, count: 3000))
        document.chunkSize = 1000
        for chunk in 0..<3 { #expect(try site.send(document.request(chunk)).code == 2) }
        for chunk in [3, 2] {
            let reply = try site.send(document.request(chunk))
            #expect(reply.code == -3 && reply.headers["x-intake-reason"] == "container")
            #expect(reply.message?.contains("是 PDF 文档") == true, "\(reply)")
        }
        #expect(site.incomingFiles() == [])
    }

    @Test("a refusal says what the file is, to every chunk and after a restart too", arguments: Language.allCases)
    func messages(language: Language) throws {
        let site = try InProcessSite { $0.language = language }
        func page(_ head: String) -> PageUpload {
            var page = PageUpload(content: Array(head.utf8) + [UInt8](repeating: 0xFF, count: 29_000))
            page.chunkSize = 10_000
            return page
        }
        let contents = [
            ("%PDF-", Text("是 PDF 文档", "a PDF document")),
            ("PK\u{3}\u{4}", Text("是 ZIP 压缩包或 Office 文档", "a ZIP archive or an Office document")),
            ("\u{1}", Text("无法识别", "of an unknown kind")),
        ]
        for (head, text) in contents {
            let page = page(head)
            let first = try site.send(page.request(0))
            let words = Text("上传文件出错!msg:文件内容\(text.zh),支持的视频:", "Upload failed: the content is \(text.en); it must be")
            #expect(first.code == -3 && first.status == 200)
            #expect(first.message?.hasPrefix(words[language]) == true, "\(first)")
            #expect(try site.send(page.request(1)).message == first.message)
            let restarted = try site.another()
            #expect(try restarted.send(page.request(2)).message == first.message)
            let whole = try site.send(page.wholeRequest())
            #expect(whole.message == first.message)
        }
    }

    @Test("every kind of content has words of its own, in both languages")
    func texts() {
        for language in Language.allCases {
            #expect(Set(OtherContent.allCases.map { $0.text[language] }).count == OtherContent.allCases.count)
        }
        #expect(OtherContent.allCases.allSatisfy { $0.text.en.utf8.allSatisfy { $0 < 0x80 } })
        // The catalogue keeps a refusal's reason and what the file is as two words.
        #expect(OtherContent.allCases.allSatisfy { !$0.rawValue.contains(" ") })
    }
}
