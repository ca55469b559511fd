import Foundation
import Glibc
import Testing
import TestSupport

extension EndToEnd {
    /// A start during which a call fails or the responder dies, and the start after it.
    @Suite struct StartFaults {
        /// What there is at the start.
        enum Before: CaseIterable, Sendable {
            /// Nothing.
            case nothing
            /// A catalogue whose log has changes, and an unfinished upload.
            case anUpload
        }

        static let actions: [FaultLibrary.Action] = [.fail(EIO), .fail(ENOSPC), .killBefore, .killAfter]

        @Test(arguments: Before.allCases, actions)
        func aStartThatGoesWrongHarmsNothing(before: Before, action: FaultLibrary.Action) throws {
            let site = try FaultSite.shared(FaultSite.Setup.all.randomElement()!)
            var ends: [String: Int] = [:]
            let hit = try site.forEachCall(action, nil, step: before == .nothing ? 16 : 2) { page, arm in
                if before == .nothing {
                    try site.forgetAll()
                } else {
                    try page.acknowledge(first: 2)
                    site.site.killResponder()
                }
                arm()
                try site.site.startResponder()
                _ = eventually { site.site.isHealthy() || site.site.responder.poll() != nil }
                site.faults.disarm()
                let end = site.site.responder.wait(within: site.faults.hits > 0 ? 0.2 : 0)
                ends[end.map { "\($0)" } ?? "served", default: 0] += 1
                #expect(end == nil || end == .exit(1) || end == .signal(SIGKILL))
                if end != nil { try site.site.startResponder() }
                try site.site.waitUntilReady()
                if before == .anUpload { try page.resume() }
                try page.run()
                try page.checkComplete()
            }
            try site.expectNothingLeft()
            print("\(site.setup), \(before), \(action): calls \(hit), ended \(ends)")
        }
    }
}
