import Model

/// Records of videos.
package protocol VideoRows {
    func video(id: Int64) throws -> Video?

    /// The owner's first video with this content; of any size if that is `nil`.
    func video(owner: String, md5: String, size: Int?) throws -> Video?

    /// The owner's first record with a video's content that was made for this guid; without one, the first that points to its
    /// file and has this name.
    func copy(of video: Video, name: String, guid: String?) throws -> Video?

    /// The last ones, the newest first; of all owners if that is `nil`.
    func videos(owner: String?, limit: Int) throws -> [Video]

    /// Those with a higher number, by number.
    func videos(after id: Int64, limit: Int) throws -> [Video]

    /// Those that point to a file, by number; all of them if `limit` is `nil`.
    func videos(ofFile path: String, limit: Int?) throws -> [Video]

    /// The different files of the owner's videos with this content, by their first video's number.
    func files(owner: String, md5: String, size: Int, limit: Int) throws -> [String]

    /// Inserts a record. A class that does not exist (any more) becomes none.
    /// - Parameter duration: seconds; `nil` if not probed yet.
    func insertVideo(
        _ id: Int64, owner: String, md5: String, _ draft: VideoDraft, size: Int, duration: Double?, time: Int64
    ) throws

    func deleteVideo(id: Int64) throws

    /// The files of videos whose duration was not asked for yet, by their first video's number.
    func unprobedFiles(limit: Int) throws -> [String]

    /// Sets the duration of a file's videos; if `onlyUnprobed`, of those for which it was not asked yet.
    /// - Returns: the numbers of those that were changed.
    func setDuration(_ duration: Double, file path: String, onlyUnprobed: Bool) throws -> [Int64]
}

/// What belongs to a stored file, whatever videos point to it: what was made of it, and what is to be removed.
package protocol FileRows {
    func media(ofFile path: String) throws -> MediaFacts?

    /// Records what was made of a file, in place of what was made before.
    func setMedia(_ media: MediaFacts, file path: String) throws

    func deleteMedia(ofFile path: String) throws

    /// The oldest first.
    func garbage(limit: Int) throws -> [Garbage]

    /// The same of what may be removed: it waits for no such time, and no event of its is undelivered, or was delivered so
    /// lately that it and the retention together are such a time.
    func garbage(limit: Int, notBeforeOutside waiting: ClosedRange<Int64>, retention: Int64) throws -> [Garbage]

    func garbage(at paths: [String]) throws -> [Garbage]

    /// Makes garbage of paths, each once. Returns them in the same order.
    /// - Parameters:
    ///   - notBefore: when they may be removed; 0 if that is at once.
    ///   - events: for the delivery of which they wait, too: those with these numbers that there are.
    func insertGarbage(
        _ paths: [String], time: Int64, notBefore: Int64, events: ClosedRange<Int64>?
    ) throws -> [Garbage]

    func deleteGarbage(id: Int64) throws
}

/// Numbers of videos, which are given out before there is a record.
package protocol NumberRows {
    /// Gives out a number, above all that were given out or have a record.
    func nextVideoNumber() throws -> Int64

    /// The last that was given out, and the highest that a record has or an unfinished upload is promised.
    func lastVideoNumbers() throws -> (given: Int64, highest: Int64)

    func setLastVideoNumber(_ number: Int64) throws

    /// Unfinished uploads that are promised a number which a record has, or an older upload.
    func uploadsWithTakenNumber() throws -> [(upload: Int64, number: Int64, isVideos: Bool)]

    func setVideoNumber(_ number: Int64, upload id: Int64) throws
}

package protocol CategoryRows {
    /// By number.
    func classes() throws -> [VideoClass]

    /// Returns the new one's number; `nil` if the game has one of this name.
    func insertClass(name: String, game: String) throws -> Int64?

    /// Returns whether it was there. Its videos have none then.
    func deleteClass(id: Int64) throws -> Bool
}
