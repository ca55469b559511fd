import Model

extension CatalogueRows {
    /// The bytes of uploads and videos that are gone stay on the disk for a moment, while they are promised and held no
    /// more. In the catalogue, because another process may be the one that removes them.
    func noteFreed(_ bytes: Int, now: Int64) throws {
        guard bytes > 0 else { return }
        try addFreed(bytes, time: now, keeping: UploadTerms.freeing(now))
    }
}

extension UploadTerms {
    /// When something went that may still be on the disk: the process that ends an upload or a video removes its file, and
    /// others close it within 5 seconds.
    static func freeing(_ now: Int64) -> ClosedRange<Int64> { now - 5...now }
}
