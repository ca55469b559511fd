import Model

/// Uploads: finding and changing them.
package protocol UploadRows {
    /// All that decides what a request belongs to.
    /// - Parameter time: finished uploads and refusals of that time or before do not count.
    func beginning(_ key: UploadKey, guid: String, after time: Int64) throws -> UploadBeginning

    /// The unfinished ones with this key, or with any chunk size if it has none, the newest first.
    func unfinishedUploads(_ key: UploadKey, limit: Int) throws -> [Upload]

    /// All that are open and have had no chunk since a time, by number; all that are open if that is `nil`.
    func openUploads(idleSince time: Int64?) throws -> [Upload]

    func states(ofUploads ids: [Int64]) throws -> [Int64: Upload.State]

    /// Makes one, which is open and has no chunk.
    func insertUpload(_ upload: NewUpload, time: Int64) throws -> Upload

    /// Records the draft of an open upload's video. Returns whether it is open.
    func setDraft(_ draft: VideoDraft, upload id: Int64) throws -> Bool

    /// Says in which boot its chunks are good, if it had `old`; whatever it had if that is `nil`. Returns whether it was so.
    func setBoot(_ bootID: String, upload id: Int64, replacing old: String?) throws -> Bool

    /// Deletes one that is open and has no chunk. Returns whether it was so.
    func deleteEmptyUpload(id: Int64) throws -> Bool

    /// Deletes finished ones that are no newer than a time. Returns how many.
    func deleteSealedUploads(upTo time: Int64, limit: Int) throws -> Int

    func countSealedUploads(upTo time: Int64) throws -> Int
}

/// What the catalogue has for a request that may begin an upload.
package struct UploadBeginning: Sendable {
    /// The number of the video that the finished upload of the guid has become, which is of the same file in chunks of any
    /// length; and the video, if it is there.
    package var sealed: (number: Int64, video: Video?)?
    /// The newest unfinished upload with the key.
    package var unfinished: Upload?
    package var refusal: Refusal?
    /// The unfinished uploads of the same file, with chunks of another length, that the guid is an alias of; and whether
    /// its own first chunk has come there.
    package var others: [(upload: Upload, firstCame: Bool)]

    package init(
        sealed: (number: Int64, video: Video?)?, unfinished: Upload?, refusal: Refusal?,
        others: [(upload: Upload, firstCame: Bool)]
    ) {
        (self.sealed, self.unfinished, self.refusal, self.others) = (sealed, unfinished, refusal, others)
    }
}

package struct NewUpload: Sendable {
    package let key: UploadKey
    package let videoID: Int64
    package let client: Client
    package let isKnown: Bool
    package let draft: VideoDraft
    package let bootID: String
}

/// A guid that stands for an upload.
package struct Alias: Sendable {
    package let guid: String
    package let upload: Int64
    /// Its own first chunk has come.
    package let firstCame: Bool
    /// Some of its requests were under way at the same time.
    package let overlapped: Bool

    package init(guid: String, upload: Int64, firstCame: Bool, overlapped: Bool) {
        (self.guid, self.upload, self.firstCame, self.overlapped) = (guid, upload, firstCame, overlapped)
    }
}

package protocol AliasRows {
    /// Makes a guid an alias of an upload. Returns whether it was none.
    func insertAlias(_ guid: String, upload id: Int64) throws -> Bool

    /// Deletes the oldest aliases of an upload with more than `limit`, and returns them.
    func deleteAliases(ofUpload id: Int64, keeping limit: Int) throws -> [Alias]

    func deleteAlias(_ guid: String, uploads ids: [Int64]) throws

    /// Deletes a guid's aliases of open uploads of this content, and returns them.
    func deleteAliases(_ guid: String, owner: String, md5: String) throws -> [Alias]

    /// Whether an open upload of this content that the guid is an alias of has a chunk.
    func hasChunks(guid: String, owner: String, md5: String) throws -> Bool

    func setFirstCame(_ guid: String, upload id: Int64) throws
}

package protocol ChunkRows {
    /// Records chunks of open uploads, each in place of an earlier one, and counts those that are new; the first one, and one
    /// that overlaps, say so of the alias. For many at once in as few statements as there are.
    /// - Returns: for each how many different chunks its upload now has, `nil` if that is not open.
    func record(_ chunks: [ChunkRecord]) throws -> [Int?]

    func chunks(ofUpload id: Int64) throws -> [StoredChunk]

    func hasChunks(upload id: Int64) throws -> Bool

    func deleteChecksum(chunk number: Int, upload id: Int64) throws

    /// Deletes a chunk, which counts no more.
    func deleteChunk(_ number: Int, upload id: Int64) throws

    /// The same for those chunks that still are as they are here.
    func deleteChunks(_ chunks: [StoredChunk], upload id: Int64) throws
}

/// The ends of uploads: what becomes a video, and what is gone.
package protocol SealingRows {
    /// All that decides whether an upload may become a video with this file; `nil` if it is gone.
    func sealing(upload id: Int64, path: String, size: Int, filesLimit: Int) throws -> SealingFacts?

    /// The client's other open uploads of an upload's content and size, and whether all their chunks are among its chunks.
    func siblings(ofUpload id: Int64, size: Int) throws -> [(upload: Upload, isPart: Bool)]

    /// Makes open uploads finished ones, without chunks.
    func seal(uploads ids: [Int64], video: Int64, time: Int64) throws

    /// Marks open uploads whose content the owner has already.
    func setKnown(uploads ids: [Int64]) throws

    func sealedUploads(video id: Int64) throws -> [Int64]

    /// The video that a finished upload has become.
    func videoNumber(ofSealed id: Int64) throws -> Int64?

    /// Uploads with the last chunk that each has, and its aliases.
    func endings(ofUploads ids: [Int64]) throws -> [(upload: Upload, lastChunk: Int, aliases: [Alias])]

    func deleteUploads(ids: [Int64]) throws

    /// Deletes those that have no alias, and returns them.
    func deleteUploadsWithoutAlias(ids: [Int64]) throws -> [Upload]
}

/// What decides whether an upload may become a video.
package struct SealingFacts: Sendable {
    package let upload: Upload
    /// Its video number has a record.
    package let isNumberTaken: Bool
    /// Different files that the owner's videos with this content have.
    package let files: [String]
    /// The first video that points to the file.
    package let first: Video?
    /// A video of another owner or content does.
    package let isOthers: Bool

    package init(upload: Upload, isNumberTaken: Bool, files: [String], first: Video?, isOthers: Bool) {
        (self.upload, self.isNumberTaken, self.files) = (upload, isNumberTaken, files)
        (self.first, self.isOthers) = (first, isOthers)
    }
}

package protocol RefusalRows {
    /// The refusal of a guid for this content, if it is newer than a time.
    func refusal(owner: String, md5: String, guid: String, after time: Int64) throws -> Refusal?

    /// Inserts refusals. One that is there gets what is new; `mergesFlags`: what it said of the page's chunks stays.
    func insert(_ refusals: [Refusal], mergesFlags: Bool) throws

    /// Adds to what a refusal says. Returns whether it is there.
    /// - Parameter chunk: one that the page takes for stored, 0 if there is none; only where it has none yet.
    @discardableResult
    func note(
        firstCame: Bool, overlaps: Bool, chunk: Int, ofRefused guid: String, owner: String, md5: String
    ) throws -> Bool

    /// Whether a guid is refused for this content; any guid if that is `nil`.
    func hasRefusals(owner: String, md5: String, guid: String?) throws -> Bool

    func deleteRefusals(owner: String, md5: String, guid: String?) throws

    /// Deletes those that are no newer than a time. Returns how many.
    func deleteRefusals(upTo time: Int64, limit: Int) throws -> Int

    /// How many the client has, and all.
    func countRefusals(of client: String) throws -> (own: Int, all: Int)

    /// The clients that have the most, the largest first.
    func mostRefused(limit: Int) throws -> [(client: String, count: Int)]

    func deleteOldestRefusals(of client: String, count: Int) throws
}

/// What open uploads hold of the disk, all together: `Upload.heldBytes` and `comingBytes` say it of one.
package protocol HoldingRows {
    /// What clients hold, what is still to come of it, and what was freed at such a time.
    func holdings(
        for client: Client, freedIn times: ClosedRange<Int64>
    ) throws -> (totals: Admission.Totals, coming: Int, freed: Int)

    /// Bytes that are still to come for open uploads.
    func comingBytes() throws -> Int

    /// Adds bytes that were freed at a time, and deletes what was freed at no such time.
    func addFreed(_ bytes: Int, time: Int64, keeping times: ClosedRange<Int64>) throws

    /// Takes bytes from the latest time at which as many were freed.
    func subtractFreed(_ bytes: Int) throws
}
