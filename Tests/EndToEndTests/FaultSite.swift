import Foundation
import Glibc
import Testing
import TestSupport

/// A site whose responder's changes of files can be made to fail.
final class FaultSite: Sendable {
    /// Where the body comes from, and what an acknowledged chunk survives.
    struct Setup: Hashable, Sendable, CustomStringConvertible {
        let mode: InProcessSite.BodyMode
        let durability: String

        var description: String { "\(mode), \(durability)" }

        /// Each of both once; with time all of them.
        static let all: [Setup] = {
            let all = InProcessSite.BodyMode.allCases.flatMap { mode in
                ["process", "power"].map { Setup(mode: mode, durability: $0) }
            }
            return EndToEnd.Kills.soakMinutes != nil ? all : Bool.random() ? [all[0], all[3]] : [all[1], all[2]]
        }()
    }

    /// What went wrong after which call.
    struct NotAsPromised: Error, CustomStringConvertible {
        let description: String
    }

    let setup: Setup
    let site: NginxSite
    let faults: FaultLibrary

    private static let sites: Locked<[Setup: FaultSite]> = Locked([:])

    private init(_ setup: Setup) throws {
        self.setup = setup
        faults = try FaultLibrary()
        site = try NginxSite(setup.mode, flags: ["--durability", setup.durability], faults: faults)
    }

    /// The site that tests share; another one if the last test has ended its responder.
    static func shared(_ setup: Setup) throws -> FaultSite {
        try sites.withLock { sites in
            if let site = sites[setup], site.site.isHealthy() { return site }
            let site = try FaultSite(setup)
            sites[setup] = site
            return site
        }
    }

    /// A small file in 3 chunks.
    static func newUpload() -> PageUpload {
        var upload = PageUpload(content: SampleFile(size: 3 * 65_536 - 7).bytes)
        upload.chunkSize = 65_536
        upload.owner = EndToEnd.newOwner()
        return upload
    }

    /// Does something again and again, each time with another call due, until it comes to no such call.
    ///
    /// - Parameters:
    ///   - kind: which calls count; `nil` for all.
    ///   - step: so many calls later at most is the next one that is tried, at random, where they are many.
    ///   - attempt: gets a page with a new file, and what makes calls count.
    /// - Returns: the numbers of the calls that were hit.
    /// - Throws: `NotAsPromised` for the first of them after which not all was well.
    func forEachCall(
        _ action: FaultLibrary.Action, _ kind: ChangeKind?, sticky: Bool = false, step: Int,
        _ attempt: (PersistentPage, _ arm: () -> Void) throws -> Void
    ) throws -> [Int] {
        let isMany = kind == nil || kind == .pwrite
        let step = EndToEnd.Kills.soakMinutes != nil || !isMany ? 1 : step
        var (hit, due) = ([Int](), Int.random(in: 1...step))
        while true {
            var upload = Self.newUpload()
            // Only a file of unknown size is cut off.
            if kind == .ftruncate { upload.overrides["size"] = .some(nil) }
            let page = PersistentPage(upload, to: site) { [faults] in !faults.mayStrike }
            do {
                defer { faults.disarm() }
                try attempt(page) { faults.arm(action, kind, due: due, sticky: sticky) }
            } catch {
                // What is left of it, others do not meet.
                Self.sites.withLock { $0[setup] = nil }
                throw NotAsPromised(description: "\(setup), call \(due): \(error)\n\(site.responderLog.suffix(2000))")
            }
            if faults.hits == 0 { return hit }
            hit.append(due)
            due += .random(in: 1...step)
        }
    }

    /// Starts the responder again if it was killed. Returns whether it was.
    func reviveIfKilled() throws -> Bool {
        guard faults.hits > 0, site.responder.wait(within: 10) == .signal(SIGKILL) else { return false }
        faults.disarm()
        try site.startResponder()
        try site.waitUntilReady()
        return true
    }

    /// Starts the responder again without the videos' directories, so that they are made and synced again, and with an
    /// empty log of SQLite, so that no checkpoint comes between, and waits until it does nothing by itself.
    func forgetDirectories() throws {
        site.responder.stop()
        try site.catalogueFile.checkpoint()
        try? FileManager.default.removeItem(at: site.dataDirectory.appendingPathComponent("upload/mp4"))
        // What the first sweep does last is to remove an old body.
        let body = site.dataDirectory.path + "/body/old"
        try Data().write(to: URL(fileURLWithPath: body))
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -3 * 86_400)], ofItemAtPath: body)
        try site.startResponder()
        try site.waitUntilReady()
        try #require(eventually { access(body, F_OK) != 0 })
    }

    /// Ends the responder and removes all that it has made; the catalogue is a new one.
    func forgetAll() throws {
        site.responder.stop()
        for name in try FileManager.default.contentsOfDirectory(atPath: site.dataDirectory.path)
        where name.hasPrefix("video-intake.db") || name == "incoming" {
            try FileManager.default.removeItem(at: site.dataDirectory.appendingPathComponent(name))
        }
        try? FileManager.default.removeItem(at: site.dataDirectory.appendingPathComponent("upload/mp4"))
        try NginxSite.makeCatalogue(in: site.dataDirectory.path)
    }

    /// Requests and uploads that are over have left nothing, at the latest after a restart.
    func expectNothingLeft() throws {
        faults.disarm()
        let isClean = eventually(within: 1) { site.bodyFiles().isEmpty && site.incomingFiles().isEmpty }
        if !isClean { try site.restartResponder() }
        let leftovers = site.leftovers()
        #expect(leftovers == [])
        // Not once more for each test that follows.
        for name in leftovers { unlink("\(site.dataDirectory.path)/incoming/\(name)") }
    }
}
