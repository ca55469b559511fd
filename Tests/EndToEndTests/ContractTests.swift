import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// protocol.md, row by row; the same table runs in process.
    @Suite struct Contract {
        @Test("protocol.md holds through nginx", arguments: ContractTable.all, InProcessSite.BodyMode.allCases)
        func contract(_ row: ContractCase, mode: InProcessSite.BodyMode) throws {
            let wrong = try row.problems(at: SettledSite(site: EndToEnd.contractSite(mode)))
            #expect(wrong == [])
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
