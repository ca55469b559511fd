import Foundation
import Intake
import TestSupport
import Testing
import Model

@Suite struct ReloadTests {
    private static func page(_ size: Int = 299_999) -> PageUpload {
        var page = PageUpload(content: videoBytes(size))
        page.chunkSize = 100_000
        return page
    }

    private func reload(_ site: InProcessSite, _ change: (inout IntakeSettings) -> Void) {
        var settings = IntakeSettings()
        settings.bodyDirectory = "/nowhere"
        change(&settings)
        site.service.reload(settings)
    }

    @Test("limits, extensions, domain and language change with the next request")
    func nextRequest() throws {
        let site = try InProcessSite()
        let video = PageUpload(content: videoBytes(2000))
        #expect(try site.send(video.request()).code == 1)
        #expect(
            try site.send(video.determineRequest()).data?["video_url"] as? String
                == "/upload/\(site.publishedFiles()[0])")
        reload(site) {
            $0.extensions = ["flv"]
            $0.videoDomain = "https://video.example.com"
        }
        // The body directory stays what it was, or no body could be read.
        #expect(try site.send(PageUpload(content: videoBytes(2000)).request()).code == -3)
        let url = try site.send(video.determineRequest()).data?["video_url"] as? String
        #expect(url == "https://video.example.com/upload/\(site.publishedFiles()[0])")
        reload(site) { $0.sizeLimit = 1999 }
        #expect(try site.send(PageUpload(content: videoBytes(2000)).request()).code == -1)
        reload(site) { $0.bodyLimit = 2000 }
        #expect(try site.send(PageUpload(content: videoBytes(2000)).request()).status == 413)
        reload(site) { $0.uploadLimits = UploadLimits(total: 0, perClient: 1) }
        #expect(try site.send(Self.page().request(0)).code == -3)
        reload(site) { _ in }
        #expect(try site.send(Self.page().request(0)).code == 2)
    }

    @Test("an upload goes on over a reload")
    func uploadGoesOn() throws {
        let site = try InProcessSite()
        let page = Self.page()
        #expect(try site.send(page.request(0)).code == 2)
        reload(site) {
            $0.bodyLimit = 6_000_000
            $0.uploadLifetime = .seconds(3600)
        }
        #expect(try site.send(page.request(1)).code == 2)
        let last = try site.send(page.request(2))
        #expect(last.code == 1)
        #expect(try site.storedBytes(last.path ?? "") == page.content)
    }

    @Test(
        "events are written from the reload on that sets the webhook's address, and no more from that on that removes it"
    )
    func events() throws {
        let site = try InProcessSite()
        func events() throws -> Int {
            let now = site.clock.now
            return try site.catalogue.claimEvents(limit: 100, lease: 0, now: now).count
        }
        #expect(try site.send(PageUpload(content: videoBytes(2000)).request()).code == 1)
        #expect(try events() == 0)
        reload(site) { $0.webhookURL = "http://127.0.0.1:1/" }
        #expect(try site.send(PageUpload(content: videoBytes(2000)).request()).code == 1)
        #expect(try events() == 1)
        reload(site) { $0.webhookURL = nil }
        #expect(try site.send(PageUpload(content: videoBytes(2000)).request()).code == 1)
        #expect(try events() == 1)
    }
}
