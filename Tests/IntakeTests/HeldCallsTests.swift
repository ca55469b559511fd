import Foundation
import Testing
import TestSupport
import Model

@testable import Intake

/// Calls that wait without a thread.
@Suite struct HeldCallsTests {
    private let client = Client(owner: "", address: "192.0.2.1")

    /// A video of three chunks of 100 KB.
    private func page(_ address: String) -> PageUpload {
        var page = PageUpload(content: videoBytes(299_999))
        page.chunkSize = 100_000
        page.address = address
        return page
    }

    @Test("there are so many of a client and in all; a place that was given back is another's")
    func places() {
        let calls = HeldCalls(limit: 4, clientLimit: 2)
        let other = Client(owner: "bob", address: "")
        var own = (0..<3).map { _ in calls.place(for: client) }
        #expect(own.map { $0 != nil } == [true, true, false])
        own = [own[0]]
        #expect(calls.place(for: client) != nil)
        let others = (0..<2).map { _ in calls.place(for: other) } + (0..<2).map { _ in calls.place(for: .unknown) }
        #expect(others.map { $0 != nil } == [true, true, true, false])
        #expect(calls.place(for: client) == nil)
    }

    @Test("the more places are taken, the fewer a client may have: a few clients do not take all")
    func shrinks() {
        let calls = HeldCalls(limit: 64, clientLimit: 16)
        let greedy = (0..<5).map { Client(recorded: "greedy \($0)") }
        let places = greedy.map { client in (0..<64).compactMap { _ in calls.place(for: client) } }
        #expect(places[0].count == 16)
        #expect(calls.place(for: client) != nil)
        withExtendedLifetime(places) {}
    }

    @Test("a completing call for which there is no place is told to come again, and the work goes on")
    func noPlace() throws {
        let site = try InProcessSite()
        let page = page("192.0.2.1")
        for chunk in 0..<2 { #expect(try site.send(page.request(chunk)).code == 2) }
        let places = (0..<site.service.limits.heldCalls).map { _ in site.service.held.place(for: client) }
        #expect(places.count { $0 != nil } == site.service.limits.heldCalls / 2)
        let reply = try #require(try site.begin(page.request(2)).reply)
        #expect(reply.status == 409 && reply.headers["x-intake-reason"] == "retry", "\(reply)")
        #expect(eventually { site.publishedFiles().count == 1 && site.incomingFiles() == [] })
        #expect(try site.send(page.request(2)).code == 1)
        // Others have places, and a chunk that need not wait needs none.
        #expect(try site.sendAll(self.page("192.0.2.2")).code == 1)
        #expect(try site.send(self.page("192.0.2.1").request(0)).code == 2)
    }

    @Test("after a reboot no thread of requests reads an upload, the work of one client is not waited for by others")
    func inDoubt() throws {
        let site = try InProcessSite { $0.completionTime = .seconds(1) }
        let (mine, other) = (page("192.0.2.1"), page("192.0.2.2"))
        for page in [mine, other] {
            for chunk in 0..<2 { #expect(try site.send(page.request(chunk)).code == 2) }
        }
        let rebooted = try site.another(bootID: "second")
        func ask(_ page: PageUpload) throws -> MemoryExchange {
            var request = page.chunksRequest()
            request.address = page.address
            return try rebooted.begin(request)
        }
        // What one client may have at work at once.
        let mayGoOn = DispatchSemaphore(value: 0)
        for _ in 0..<4 { rebooted.service.completions.submit(client: client.description) { mayGoOn.wait() } }
        let waiting = [try ask(mine), try rebooted.begin(mine.request(1))]
        #expect(waiting.allSatisfy { $0.reply == nil })
        let places = (0..<rebooted.service.limits.heldBodies).map { _ in rebooted.service.heldBodies.place(for: client)
        }
        #expect(try #require(try rebooted.begin(mine.request(0)).reply).status == 409, "too many bodies are held")
        withExtendedLifetime(places) {}

        #expect(try ask(other).wait().data?["received"] as? String == "0-1")
        #expect(try rebooted.send(other.request(2)).code == 1)
        for exchange in waiting {
            let reply = try exchange.wait()
            #expect(reply.status == 409 && reply.headers["x-intake-reason"] == "retry", "\(reply)")
        }
        for _ in 0..<4 { mayGoOn.signal() }
        #expect(try eventually { try ask(mine).wait().data?["received"] as? String == "0-1" })
        #expect(try rebooted.send(mine.request(2)).code == 1)
    }
}
