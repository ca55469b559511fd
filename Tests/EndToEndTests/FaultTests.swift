import Foundation
import Glibc
import Testing
import TestSupport

extension EndToEnd {
    /// File-system calls that fail, and deaths between two of them.
    @Suite struct Faults {
        /// A kind of call and the errno it fails with.
        struct Fault: Sendable, CustomTestStringConvertible {
            let kind: ChangeKind
            let error: Int32

            init(_ kind: ChangeKind, _ error: Int32) {
                self.kind = kind
                self.error = error
            }

            /// Whether a reply that promises something needs every such call. With others SQLite may do without, or they
            /// are for its checkpoints, which may be repeated.
            var breaksPromises: Bool { [.fallocate, .fsync, .fdatasync, .link].contains(kind) }

            var testDescription: String { "\(kind): \(String(cString: strerror(error)))" }

            static let all = [
                Fault(.write, EIO), Fault(.pread, EIO), Fault(.pwrite, EIO), Fault(.pwrite, ENOSPC),
                Fault(.fallocate, ENOSPC), Fault(.fallocate, EDQUOT), Fault(.fsync, EIO),
                Fault(.fdatasync, EIO), Fault(.fdatasync, EDQUOT), Fault(.fdatasyncDirectory, EIO),
                Fault(.ftruncate, EIO), Fault(.link, ENOSPC),
                Fault(.unlink, EROFS), Fault(.mkdir, EROFS), Fault(.mkdir, EDQUOT), Fault(.create, EMFILE),
                Fault(.create, ENOSPC),
            ]
        }

        /// Each fault with each setup; in a short run with one of them.
        static let cases: (setups: [FaultSite.Setup], faults: [Fault]) = {
            let cases = Fault.all.flatMap { fault in
                (EndToEnd.Kills.soakMinutes != nil ? FaultSite.Setup.all : [FaultSite.Setup.all.randomElement()!]).map {
                    ($0, fault)
                }
            }
            return (cases.map(\.0), cases.map(\.1))
        }()

        /// What is done once a process, or once a directory, is done again for each call. No checkpoint of SQLite is due:
        /// one that fails after a commit breaks no promise.
        private func prepare(_ fault: Fault, _ site: FaultSite) throws {
            if [.fsync, .fdatasync, .fdatasyncDirectory, .mkdir].contains(fault.kind) { try site.forgetDirectories() }
        }

        @Test(arguments: zip(cases.setups, cases.faults))
        func aCallThatFailsOnceCostsOnlyRetries(setup: FaultSite.Setup, fault: Fault) throws {
            let site = try FaultSite.shared(setup)
            let hit = try site.forEachCall(
                .fail(fault.error), fault.kind, step: 12
            ) { page, arm in
                try prepare(fault, site)
                arm()
                var hits = 0
                try page.run { reply in
                    if site.faults.hits > hits, fault.breaksPromises, reply.code ?? -1 > 0 {
                        throw page.broken("a call failed, and the reply was \(reply)")
                    }
                    hits = site.faults.hits
                }
                site.faults.disarm()
                try page.checkComplete()
            }
            #expect(site.site.responder.poll() == nil)
            try site.expectNothingLeft()
            print("\(setup), \(fault.testDescription): calls \(hit)")
        }

        @Test(arguments: zip(cases.setups, cases.faults))
        func aDiskThatFailsForAWhileCostsOnlyRetries(setup: FaultSite.Setup, fault: Fault) throws {
            let site = try FaultSite.shared(setup)
            let hit = try site.forEachCall(
                .fail(fault.error), fault.kind, sticky: true, step: 24
            ) { page, arm in
                try prepare(fault, site)
                arm()
                var replies = 0
                try page.run { _ in
                    guard site.faults.hits > 0 else { return }
                    replies += 1
                    if replies == 3 { site.faults.disarm() }
                }
                site.faults.disarm()
                try page.checkComplete()
            }
            #expect(site.site.responder.poll() == nil)
            try site.expectNothingLeft()
            print("\(setup), \(fault.testDescription), for 3 replies: from calls \(hit)")
        }

        @Test(arguments: FaultSite.Setup.all, [FaultLibrary.Action.killBefore, .killAfter])
        func aDeathAtAnyChangeLosesNothingAcknowledged(setup: FaultSite.Setup, action: FaultLibrary.Action) throws {
            let site = try FaultSite.shared(setup)
            let hit = try site.forEachCall(action, nil, step: 10) { page, arm in
                arm()
                var wasKilled = false
                try page.run { _ in
                    guard !wasKilled else { return }
                    wasKilled = try site.reviveIfKilled()
                    if wasKilled { try page.resume() }
                }
                site.faults.disarm()
                // It may have died after the last reply.
                if !wasKilled { _ = try site.reviveIfKilled() }
                try page.checkComplete()
                try site.expectNothingLeft()
            }
            print("\(setup), \(action): calls \(hit)")
        }
    }
}
