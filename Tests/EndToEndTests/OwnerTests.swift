import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// Users that an authentication service names, by the line of the shipped login.conf.
    @Suite struct Owners {
        @Test(arguments: InProcessSite.BodyMode.allCases)
        func oneNeverSeesOrContinuesAnothersUpload(mode: InProcessSite.BodyMode) throws {
            let site = try NginxSite(mode, authenticates: true)
            var alice = PageUpload(content: SampleFile(size: 3 * 65_536 - 9).bytes)
            alice.chunkSize = 65_536
            var nobody = alice
            alice.owner = "alice"
            nobody.owner = nil
            var bob = alice
            bob.owner = "bob"

            for request in [nobody.request(0), nobody.determineRequest(), nobody.chunksRequest()] {
                #expect(try site.send(request).status == 401)
            }
            for chunk in 0..<2 { #expect(try site.send(alice.request(chunk)).code == 2) }
            #expect(try site.send(alice.chunksRequest()).receivedChunks == [0, 1])
            #expect(try site.send(bob.chunksRequest()).code == 2)
            // Even with the same guid: bob's last chunk completes nothing.
            #expect(try site.send(bob.request(2)).code == 2)
            #expect(try site.send(bob.chunksRequest()).receivedChunks == [2])
            let done = try site.send(alice.request(2))
            #expect(done.code == 1)
            #expect(try site.send(alice.determineRequest()).code == 1)
            #expect(try site.send(bob.determineRequest()).code == 2)
            #expect(try site.send(bob.determineRequest([("file_name", "mine now")])).code == 2)
            // A straggler with alice's guid.
            #expect(try site.send(bob.request(1)).code == 2)
            let other = try site.send(bob.request(0))
            #expect(other.code == 1 && other.videoID != done.videoID && other.path != done.path)
            #expect(try site.recordCount(alice) == 1 && site.recordCount(bob) == 1)
        }
    }
}
