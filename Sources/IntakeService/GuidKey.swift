/// A page's upload of some content, as refusals know it.
struct GuidKey: Hashable {
    /// By bytes, as the catalogue compares.
    private let ownerBytes: [UInt8]
    private let md5: String
    private let guid: String

    init(owner: String, md5: String, guid: String) {
        ownerBytes = Array(owner.utf8)
        self.md5 = md5
        self.guid = guid
    }

    init(_ request: UploadRequest) {
        self.init(owner: request.owner, md5: request.md5, guid: request.guid)
    }

    func isOf(owner: String, md5: String) -> Bool { self.md5 == md5 && ownerBytes.elementsEqual(owner.utf8) }
}
