import Model
import ChunkStore
import Foundation
import Testing
import System
import TestSupport

@testable import FileStore
@testable import Intake

/// A video of four chunks of 50 KB.
private func page(_ address: String = "192.0.2.1") -> PageUpload {
    var page = PageUpload(content: videoBytes(199_999))
    page.chunkSize = 50_000
    page.address = address
    return page
}

extension ActiveUpload {
    fileprivate var file: FileUpload? { openBytes as? FileUpload }
}

extension FileUpload {
    /// The videos' files that it is compared with as it comes; `nil` if there are none.
    fileprivate var following: [StoredFile]? { comparing.withLock { $0.following?.files.map(\.file) } }
}

extension InProcessSite {
    /// As few files of uploads stay open as there ever do.
    fileprivate static func withFewDescriptors() throws -> InProcessSite {
        try InProcessSite(limits: ResourceLimits(descriptors: 64))
    }

    /// Opens so many uploads that the first one is closed.
    fileprivate func closeFirst() throws {
        for _ in 0..<8 { #expect(try send(page().request(0)).code == 2) }
        #expect(service.uploads.with(ids: [1]).isEmpty)
    }

    /// How far the digest of the first upload had come when its file was closed.
    fileprivate var followed: FollowedPrefix? { store.followed.getIfPresent(1) }

    /// Waits until the digest of the first upload has come so far.
    fileprivate func waitForDigest(of count: Int) throws {
        let digest = try #require(service.uploads.with(ids: [1]).first?.file?.digest)
        digest.advance(to: count)
        digest.wait(lag: 0)
    }

    fileprivate func changeFirstFile(at offset: Int) throws -> StoredFile.Version {
        let file = try FileChunkStore(directory: dataDirectory.path, reserve: .bytes(0)).openUpload(1)
        let bytes = try Content.file(file, 0..<offset + 1).prefix(offset + 1)
        // A tick of the kernel's clock after what was written before.
        usleep(20_000)
        try file.write([bytes[offset] ^ 1], at: offset)
        return try file.version()
    }
}

/// What becomes of the uploads in memory where there are more than may be open.
@Suite struct ActiveUploadsTests {
    @Test("who opens many uploads closes his own, not those of others")
    func stranger() throws {
        let site = try InProcessSite.withFewDescriptors()
        let honest = (1...3).map { page("198.51.100.\($0)") }
        for page in honest { #expect(try site.send(page.request(0)).code == 2) }
        for _ in 0..<40 { #expect(try site.send(page().request(0)).code == 2) }
        #expect(site.service.uploads.with(ids: [1, 2, 3]).count == 3)
        #expect(try site.sendAll(honest[0]).code == 1)
    }

    @Test("where all have as many, those that were touched longest ago are closed")
    func equals() throws {
        let site = try InProcessSite.withFewDescriptors()
        for number in 1...6 { #expect(try site.send(page("198.51.100.\(number)").request(0)).code == 2) }
        #expect(site.service.uploads.with(ids: [1, 2]).isEmpty)
        #expect(site.service.uploads.with(ids: [3, 4, 5, 6]).count == 4)
    }

    /// While it is open its bytes take room, which those that are admitted count on.
    @Test("an upload that another process has ended gives its file back")
    func removedByAnother() throws {
        let site = try InProcessSite()
        for number in 1...2 { #expect(try site.send(page("198.51.100.\(number)").request(0)).code == 2) }
        let store = try FileChunkStore(directory: site.dataDirectory.path, reserve: .bytes(0))
        store.removeUpload(1)
        site.service.closeRemovedFiles()
        #expect(site.service.uploads.with(ids: [1, 2]).map(\.record.id) == [2])
    }

    /// Uploads a video, and begins an upload of the same content: what is to be sent for it, and its record.
    private func beginAgain(at site: InProcessSite) throws -> (page: PageUpload, record: Upload) {
        let first = page("198.51.100.1")
        #expect(try site.sendAll(first).code == 1)
        var again = first
        again.guid = PageUpload.newGuid()
        #expect(try site.send(again.request(0)).code == 2)
        return (again, try #require(site.catalogue.openUploads().first))
    }

    @Test("an upload of the content of a video that was deleted gives the video's file back")
    func comparedWithRemoved() throws {
        let site = try InProcessSite()
        let (again, upload) = try beginAgain(at: site)
        site.service.closeRemovedFiles()
        #expect(site.service.uploads.with(ids: [upload.id]).count == 1)
        let video = try #require(site.catalogue.videos(owner: nil, limit: 1).first)
        _ = try site.another().service.maintainer.deleteVideo(id: video.id)
        site.service.closeRemovedFiles()
        #expect(site.service.uploads.with(ids: [upload.id]).allSatisfy { $0.file?.following == nil })
        #expect(try (1..<again.chunks).map { try site.send(again.request($0)) }.last?.code == 1)
    }

    @Test("it does so while its requests are under way, and the upload goes on")
    func comparedWhileInUse() throws {
        let site = try InProcessSite()
        let (again, record) = try beginAgain(at: site)
        let upload = try #require(site.service.uploads.with(ids: [record.id]).first)
        let use = try #require(upload.begin(guid: again.guid, number: 1))
        let compared = { [weak file = upload.file?.following?.first] in file }
        #expect(compared() != nil)
        let video = try #require(site.catalogue.videos(owner: nil, limit: 1).first)
        _ = try site.another().service.maintainer.deleteVideo(id: video.id)
        site.service.closeRemovedFiles()
        #expect(eventually { compared() == nil })
        #expect(upload.openBytes != nil)
        use.end()
        #expect(try (1..<again.chunks).map { try site.send(again.request($0)) }.last?.code == 1)
    }

    /// The bytes behind the digest are changed under its hands: had they been read again, their md5 would be wrong.
    @Test("an upload that was closed goes on without reading again what its digest has read")
    func goesOn() throws {
        let site = try InProcessSite.withFewDescriptors()
        let page = page()
        for chunk in 0..<2 { #expect(try site.send(page.request(chunk)).code == 2) }
        try site.waitForDigest(of: 100_000)
        try site.closeFirst()
        let followed = site.store.followed
        let kept = try #require(site.followed)
        #expect(kept.digest?.position == 100_000)
        let changed = try site.changeFirstFile(at: 60_000)
        #expect(changed != kept.file)
        followed.put(1, FollowedPrefix(file: changed, chunks: kept.chunks, digest: kept.digest, comparison: nil))
        let last = try [2, 3].map { try site.send(page.request($0)) }.last
        #expect(last?.code == 1, "\(last!)")
        #expect(followed.getIfPresent(1) == nil)
    }

    @Test("what the digest of a closed upload has read is read again where the file was written to meanwhile")
    func changed() throws {
        let site = try InProcessSite.withFewDescriptors()
        let page = page()
        for chunk in 0..<2 { #expect(try site.send(page.request(chunk)).code == 2) }
        try site.waitForDigest(of: 100_000)
        try site.closeFirst()
        _ = try site.changeFirstFile(at: 60_000)
        let last = try [2, 3].map { try site.send(page.request($0)) }.last
        #expect(last?.headers["x-intake-reason"] == "md5", "\(last!)")
    }

    @Test("so it is where another process has replaced a chunk, even in the same moment")
    func replaced() throws {
        let site = try InProcessSite.withFewDescriptors()
        let page = page()
        var wrong = page.bytes(of: 0)
        wrong[40_000] ^= 1
        #expect(try site.send(page.chunkRequest(0, bytes: wrong)).code == 2)
        #expect(try site.send(page.request(1)).code == 2)
        try site.waitForDigest(of: 100_000)
        try site.closeFirst()
        #expect(try site.another().send(page.request(0)).code == 2)
        let followed = site.store.followed
        let kept = try #require(site.followed)
        let file = try FileChunkStore(directory: site.dataDirectory.path, reserve: .bytes(0)).openUpload(1)
        followed.put(
            1, FollowedPrefix(file: try file.version(), chunks: kept.chunks, digest: kept.digest, comparison: nil))
        let last = try [2, 3].map { try site.send(page.request($0)) }.last
        #expect(last?.code == 1, "\(last!)")
        #expect(try site.storedBytes(last?.path ?? "") == page.content)
    }

    /// A page takes HTTP 200 for stored, and the guid is refused only where the upload had a chunk.
    @Test("a chunk whose upload ends while it comes is to come again if it was the first", arguments: [false, true])
    func endedMeanwhile(hasChunks: Bool) throws {
        let site = try InProcessSite()
        let page = page()
        #expect(try site.send(page.request(1)).code == 2)
        let known = try #require(site.service.uploads.with(ids: [1]).first)
        if !hasChunks { known.replace(1) }
        let use = try #require(known.begin(guid: page.guid, number: 1))
        site.service.retire([ExpiredUpload(id: 1, path: "")], .expired)
        guard case .over(.failed(let failure)) = known.claim(0) else {
            Issue.record("the upload goes on")
            return
        }
        #expect(failure.reason == (hasChunks ? .expired : .retry))
        #expect(failure.reply(.en).status == (hasChunks ? 200 : 409))
        use.end()
    }

    @Test("an upload whose file is completed is in use, also when its reply was given up")
    func completing() throws {
        let mayGoOn = DispatchSemaphore(value: 0)
        let site = try InProcessSite {
            $0.completionTime = .seconds(0.2)
        } atStep: {
            if $0 == .verified { mayGoOn.wait() }
        }
        let page = page()
        #expect(try site.sendAll(page).status == 409)
        let upload = try #require(site.service.uploads.with(ids: [1]).first)
        #expect(!upload.isIdle && !site.service.uploads.closeIdle())
        #expect(upload.openBytes != nil)
        mayGoOn.signal()
        #expect(eventually { upload.isIdle })
        #expect(try site.send(page.request(3)).code == 1)
    }
}
