import Testing
import TestSupport

@Suite struct ContractTests {
    @Test("the contract holds in process", arguments: ContractTable.all, InProcessSite.BodyMode.allCases)
    func contract(_ row: ContractCase, mode: InProcessSite.BodyMode) throws {
        #expect(try row.problems(at: InProcessSite(mode: mode)) == [])
    }

    @Test("the same where a streamed body is too large for memory", arguments: ContractTable.all)
    func spooled(_ row: ContractCase) throws {
        #expect(try row.problems(at: InProcessSite(mode: .stream) { $0.memoryBodyLimit = 0 }) == [])
    }

    @Test("an upload that would eat into the reserve is refused at once", arguments: InProcessSite.BodyMode.allCases)
    func diskFull(mode: InProcessSite.BodyMode) throws {
        let site = try InProcessSite(mode: mode, reserve: .bytes(1 << 50))
        var page = PageUpload(content: videoBytes(300_000))
        page.chunkSize = 100_000
        for request in [page.request(0), page.request(1), page.wholeRequest()] {
            let reply = try site.send(request)
            #expect(reply.status == 200 && reply.code == -3, "\(reply)")
            #expect(reply.message?.contains("(disk full)") == true)
        }
        #expect(site.incomingFiles() == [])
        #expect(try site.send(page.determineRequest()).code == 2)
    }
}
