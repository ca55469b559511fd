import Foundation
import Testing
import TestSupport

extension EndToEnd {
    /// The power goes off at any moment, and the service is started again on what the disk has.
    @Suite struct PowerLosses {
        /// How many syncs a short run looks at.
        private static let shortSyncs = 10

        @Test(arguments: ["process", "power"])
        func whatAReplyPromisesIsThereAfterPowerLoss(durability: String) throws {
            let mode = InProcessSite.BodyMode.allCases.randomElement()!
            let seed = UInt64.random(in: 0 ... .max)
            var chance = SeededGenerator(seed)
            let scenario = try PowerLossScenario(durability: durability, mode: mode)
            // Before a sync and after it, so many syncs as there is time for, and at the end.
            let syncs = scenario.changes.indices.filter { scenario.changes[$0].isSync }
            let chosen = Set(
                Kills.soakMinutes != nil ? syncs[...] : syncs.shuffled(using: &chance).prefix(Self.shortSyncs))
            var images = 0
            var broken: [String] = []
            var disk = scenario.disk
            var position = 0

            func cut(_ name: String) throws {
                var variants: [PowerLoss.Variant] = [.syncedOnly, .everything, .namesOnly]
                for _ in 0..<(Kills.soakMinutes == nil ? 1 : 4) { variants.append(.some(seed: chance.next())) }
                for variant in variants where broken.count < 5 {
                    images += 1
                    broken += try PowerLossImage(disk, variant).brokenPromises(
                        of: scenario.stories, at: position, durability: durability
                    ).map { "\(name), \(variant): \($0)" }
                }
            }
            for (index, change) in scenario.changes.enumerated() {
                if chosen.contains(index) { try cut("before sync \(index) of \(syncs.count)") }
                disk.apply(change)
                position = change.position
                if chosen.contains(index) { try cut("after sync \(index)") }
            }
            try cut("at the end")
            #expect(broken == [], "\(mode), seed \(seed)")
            print(
                """
                \(durability), \(mode), seed \(seed): \(images) images of \(chosen.count) of \(syncs.count) syncs, \
                \(scenario.changes.count) changes
                """)
        }
    }
}

/// The data directory after power loss, on which the service runs again in this process.
private final class PowerLossImage {
    private let directory: URL
    private let site: () throws -> InProcessSite

    init(_ disk: PowerLoss, _ variant: PowerLoss.Variant) throws {
        let directory = try makeTemporaryDirectory()
        self.directory = directory
        try disk.write(variant, to: directory)
        site = { try InProcessSite(directory: directory, bootID: UUID().uuidString) }
    }

    deinit {
        try? FileManager.default.removeItem(at: directory)
    }

    /// Recovers, and checks what replies had promised by then.
    ///
    /// - Parameter position: the record's length at the power loss.
    /// - Returns: what is not as promised.
    func brokenPromises(
        of stories: [PowerLossScenario.Story], at position: Int, durability: String
    ) throws -> [String] {
        let site = try site()
        try site.recover()
        return try stories.filter { $0.begin <= position }.compactMap { story in
            try brokenPromise(of: story, at: position, durability, site).map { "\(story.name): \($0)" }
        }
    }

    private func brokenPromise(
        of story: PowerLossScenario.Story, at position: Int, _ durability: String, _ site: InProcessSite
    ) throws -> String? {
        let upload = story.upload
        let isComplete = story.completed.map { $0 <= position } ?? false
        let video = try site.send(upload.determineRequest())
        var missing: [Int]
        if video.code == 1 {
            // The last one once more.
            missing = [upload.chunks - 1]
        } else {
            if isComplete { return "code 1, and then \(video)" }
            let received = try site.send(upload.chunksRequest()).receivedChunks ?? []
            let lost = durability == "power" ? promisedChunks(story, position).subtracting(received) : []
            if !lost.isEmpty { return "acknowledged, and then missing: \(lost.sorted())" }
            missing = (0..<upload.chunks).filter { !received.contains($0) }
            // The page does not know whether its right bytes are there. With the wrong ones the file must not be complete.
            if let replaced = story.replaced, replaced.to > position, received.contains(replaced.chunk) {
                missing.insert(replaced.chunk, at: 0)
            }
            if missing.isEmpty { missing = [upload.chunks - 1] }
        }
        return try send(missing, of: upload, isComplete: video.code == 1, to: site)
    }

    /// The chunks that must be there after power loss.
    private func promisedChunks(_ story: PowerLossScenario.Story, _ position: Int) -> Set<Int> {
        var promised = Set(story.acknowledged.filter { $0.value.contains { $0 <= position } }.keys)
        // Its old bytes may have gone already.
        if let replaced = story.replaced, (replaced.from..<replaced.to).contains(position) {
            promised.remove(replaced.chunk)
        }
        return promised
    }

    /// Sends what is missing, which must complete the file.
    private func send(_ chunks: [Int], of upload: PageUpload, isComplete: Bool, to site: InProcessSite) throws
        -> String?
    {
        var last: ReceivedReply?
        for chunk in chunks {
            let reply = try site.send(upload.request(chunk))
            guard reply.code == 1 || reply.code == 2 && !isComplete else { return "chunk \(chunk): \(reply)" }
            last = reply
        }
        guard let last, last.code == 1, let path = last.path else {
            return "not complete after \(chunks): \(last.map(\.description) ?? "")"
        }
        guard (try? site.storedBytes(path)) == upload.content else { return "\(path) has not the bytes sent" }
        return nil
    }
}
