import Foundation
import Testing
import TestSupport

/// What determine_video_exist asks the database for, and what it remembers.
@Suite struct KnownVideosTests {
    private func page() -> PageUpload {
        var page = PageUpload(content: videoBytes(299_999))
        page.chunkSize = 100_000
        return page
    }

    /// Sends the page's question from many threads. Returns the codes and how many lookups they took.
    private func ask(_ page: PageUpload, _ site: InProcessSite) throws -> (codes: Set<Int?>, lookups: Int) {
        let before = site.lookups.count
        let codes: Locked<Set<Int?>> = Locked([])
        let done = DispatchGroup()
        for _ in 0..<8 {
            done.enter()
            Thread.detachNewThread {
                for _ in 0..<25 {
                    let code = (try? site.send(page.determineRequest()))?.code
                    codes.withLock { _ = $0.insert(code) }
                }
                done.leave()
            }
        }
        done.wait()
        return (codes.withLock(\.self), site.lookups.count - before)
    }

    @Test("a video that exists is looked up once, not once a request")
    func known() throws {
        let site = try InProcessSite()
        let page = page()
        for chunk in 0..<3 { _ = try site.send(page.request(chunk)) }
        // Its record changes when its duration is known.
        site.service.findDurations()
        let (codes, lookups) = try ask(page, site)
        #expect(codes == [1] && lookups == 1)
    }

    @Test("that there is no such video is looked up once, not once a request, until the cache time is over")
    func unknown() throws {
        let site = try InProcessSite { $0.cacheTime = .seconds(2) }
        let page = page()
        var (codes, lookups) = try ask(page, site)
        #expect(codes == [2] && lookups == 1)
        site.clock.advance(by: 1)
        (codes, lookups) = try ask(page, site)
        #expect(codes == [2] && lookups == 0)
        site.clock.advance(by: 1)
        (codes, lookups) = try ask(page, site)
        #expect(codes == [2] && lookups == 1)
    }

    @Test("an upload that completes is visible to the next request", arguments: [true, false])
    func completed(isWhole: Bool) throws {
        let site = try InProcessSite()
        let page = page()
        #expect(try site.send(page.determineRequest()).code == 2)
        let sized = page.determineRequest([("size", "\(page.content.count)")])
        #expect(try site.send(sized).code == 2)
        if isWhole {
            #expect(try site.send(page.wholeRequest()).code == 1)
        } else {
            for chunk in 0..<3 { _ = try site.send(page.request(chunk)) }
        }
        #expect(try site.send(page.determineRequest()).code == 1)
        #expect(try site.send(sized).code == 1)
    }

    @Test(
        "what another service has stored is visible when the cache time is over, and what is remembered of one is not old"
    )
    func anotherService() throws {
        let one = try InProcessSite()
        let other = try one.another()
        let page = page()
        #expect(try other.send(page.determineRequest()).code == 2)
        for chunk in 0..<3 { _ = try one.send(page.request(chunk)) }
        #expect(try other.send(page.determineRequest()).code == 2)
        one.clock.advance(by: 1)
        #expect(try other.send(page.determineRequest()).code == 1)

        // A class that is given later is seen after one more look, in the background.
        let number = try one.catalogue.addClass(name: "攻略", game: "Chess")
        try one.execute("UPDATE video_info SET class_id = \(number)")
        one.clock.advance(by: 2)
        var game = ""
        let isSeen = try eventually {
            game = try other.send(page.determineRequest()).data?["game_name"] as? String ?? ""
            return game == "Chess"
        }
        #expect(isSeen)
    }

    @Test("owners are not told of each other's videos")
    func owners() throws {
        let site = try InProcessSite()
        var page = page()
        page.owner = "alice"
        for chunk in 0..<3 { _ = try site.send(page.request(chunk)) }
        #expect(try site.send(page.determineRequest()).code == 1)
        page.owner = "bob"
        #expect(try site.send(page.determineRequest()).code == 2)
    }

    @Test("an upload that nobody has touched for a while gives its file back, and goes on")
    func idleUpload() throws {
        let site = try InProcessSite()
        let page = page()
        func openFiles() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + $0))?
                    .hasPrefix(site.dataDirectory.path + "/incoming/") == true
            }
        }
        #expect(try site.send(page.request(0)).code == 2)
        #expect(try openFiles() == 1)
        site.clock.advance(by: 301)
        _ = try site.service.sweep()
        // The digest may just be reading it.
        #expect(try eventually { try openFiles() == 0 })
        #expect(try site.send(page.request(1)).code == 2)
        #expect(try site.send(page.request(2)).code == 1)
    }
}
