/// A page's upload of some content, as refusals know it. Equal by bytes, as the catalogue compares.
struct GuidKey: Hashable {
    let owner: String
    /// 32 lower-case hexadecimal digits.
    let md5: String
    let guid: String

    init(owner: String, md5: String, guid: String) {
        self.owner = owner
        self.md5 = md5
        self.guid = guid
    }

    init(_ request: UploadRequest) {
        self.init(owner: request.owner, md5: request.md5, guid: request.guid)
    }

    static func == (one: GuidKey, other: GuidKey) -> Bool {
        one.guid == other.guid && one.isOf(owner: other.owner, md5: other.md5)
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(guid)
        hasher.combine(md5)
    }

    func isOf(owner: String, md5: String) -> Bool {
        self.md5 == md5 && self.owner.utf8.elementsEqual(owner.utf8)
    }
}
