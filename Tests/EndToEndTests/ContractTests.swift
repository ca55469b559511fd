import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// The contract, row by row; the same table runs in process.
    @Suite struct Contract {
        @Test("the contract holds through nginx", arguments: ContractTable.all, InProcessSite.BodyMode.allCases)
        func contract(_ row: ContractCase, mode: InProcessSite.BodyMode) throws {
            let wrong = try row.problems(at: SettledSite(site: EndToEnd.contractSite(mode)))
            #expect(wrong == [])
        }

        @Test("an upload that would eat into the reserve is refused", arguments: InProcessSite.BodyMode.allCases)
        func diskFull(mode: InProcessSite.BodyMode) throws {
            let site = try NginxSite(mode, flags: ["--reserve", "1024G"])
            defer { site.stop() }
            var page = PageUpload(content: videoBytes(300_000))
            page.chunkSize = 100_000
            for request in [page.request(0), page.request(1), page.wholeRequest()] {
                let reply = try site.send(request)
                #expect(reply.status == 200 && reply.code == -3, "\(reply)")
                #expect(reply.message?.contains("(disk full)") == true)
            }
            #expect(site.incomingFiles() == [])
        }
    }
}

/// A site that nginx has left in order when a request returns: it removes a body file shortly after the reply.
private struct SettledSite: Site {
    let site: NginxSite

    var dataDirectory: URL { site.dataDirectory }

    func send(_ request: SentRequest) throws -> ReceivedReply {
        let reply = try site.send(request)
        eventually(within: 5) { site.bodyFiles().isEmpty }
        return reply
    }
}
