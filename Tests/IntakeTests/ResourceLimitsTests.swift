import Foundation
import TestSupport
import Testing

@testable import Intake

/// What the service may take of the machine.
@Suite struct ResourceLimitsTests {
    @Test("files stay open as far as there are descriptors, a few in any case")
    func descriptors() {
        func files(_ descriptors: Int, threads: Int = 8) -> Int {
            ResourceLimits(threads: threads, descriptors: descriptors).openUploads
        }
        #expect(files(1) == 4 && files(64) == 4)
        // What requests have open at the same time comes first.
        #expect((500...600).contains(files(1024)))
        #expect(files(1024, threads: 100) < files(1024))
        #expect(files(16384) == 1024)
    }

    @Test("calls that are held leave descriptors for requests and uploads", arguments: [64, 256, 1024, 16384])
    func held(descriptors: Int) {
        let limits = ResourceLimits(descriptors: descriptors)
        #expect(limits.heldCalls + 2 * limits.heldBodies <= descriptors / 2)
        #expect(limits.heldCalls >= limits.threads && limits.heldBodies >= 4)
    }

    @Test("memory grows with threads and bodies, and is below what systemd gives where the machine is not large")
    func memory() {
        let usual = ResourceLimits(threads: 32, descriptors: 16384)
        #expect(usual.memory < 2 << 30)
        #expect(ResourceLimits(threads: 64, descriptors: 16384).memory > usual.memory)
        var large = usual
        large.memoryBodyLimit += 1 << 20
        #expect(large.memory == usual.memory + (32 + usual.heldBodies) << 20)
    }

    @Test("more unfinished uploads than there may be open files go on, each from where it was")
    func moreThanDescriptors() throws {
        let site = try InProcessSite(limits: ResourceLimits(descriptors: 64))
        let pages = (0..<20).map { _ in
            var page = PageUpload(content: videoBytes(299_999))
            page.chunkSize = 100_000
            return page
        }
        for chunk in 0..<3 {
            for page in pages { #expect(try site.send(page.request(chunk)).code == (chunk < 2 ? 2 : 1)) }
            // The digest, or what ends a completion, may just be letting one go.
            #expect(try eventually { try site.openUploadFiles() <= 4 })
        }
        for page in pages {
            let path = try #require(try site.send(page.request(0)).path)
            let isIdentical = try site.storedBytes(path) == page.content
            #expect(isIdentical)
        }
    }
}

extension InProcessSite {
    /// The files of unfinished uploads that this process has open.
    fileprivate func openUploadFiles() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count { name in
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)")
            return target?.hasPrefix(dataDirectory.path + "/incoming/") == true && target?.hasSuffix(".part") == true
        }
    }
}
