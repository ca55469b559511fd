import Model

/// A checked request of `upload_file`: one chunk, or one whole small file.
struct UploadRequest {
    let owner: String
    /// `[A-Za-z0-9_-]{1,64}`
    let guid: String
    /// The video's name, as the editor typed it; without a path and of bounded length.
    let title: String
    /// 32 lower-case hexadecimal digits.
    let md5: String
    /// The whole file's bytes, if the page sends them.
    let size: Int?
    /// 0 for a whole file in one request.
    let chunks: Int
    let chunk: Int
    /// The length in bytes of every chunk but the last, `nil` if this chunk does not tell it.
    let chunkSize: Int?
    let classID: Int64?
    /// The page's own number for the file, `WU_FILE_n`; empty if it sends none.
    let pageID: String
    /// Sizes in the reply are bytes, not `1.5M`.
    let wantsBytes: Bool
    /// The stored file is called like the file that was sent.
    let keepsFileName: Bool
    let file: SentFile
    /// The sent file's extension in lower case, one of the allowed ones.
    let fileExtension: String

    /// Checks in the order in which the PHP endpoint did, and then what it did not.
    init(_ form: RequestForm, owner: String, settings: IntakeSettings) throws(Failure) {
        guard let guid = try form.nonEmpty("guid"), let title = try form.videoName(),
            let md5 = try form.nonEmpty("md5")
        else { throw .missingParameter }

        let field = try form.nonEmpty("file_id") ?? "file"
        guard let file = form.file, !file.name.isEmpty, file.field == nil || file.field == field else {
            throw .missingFile
        }
        guard file.type.utf8.count <= RequestForm.textLimit else {
            throw .malformed("type", .atMost(bytes: RequestForm.textLimit))
        }

        self.owner = owner
        self.guid = try Self.checkedGuid(guid)
        self.title = title
        self.md5 = try RequestForm.checkedMD5(md5)
        let size = try form.number("size", in: 1...settings.sizeLimit, FieldRule.bytes)
        let length = file.length
        chunks = try form.number("chunks", in: 0...settings.chunksLimit) ?? 0
        if chunks > 0 {
            guard let chunk = try form.number("chunk", in: 0...chunks - 1) else {
                throw .malformed("chunk", .number(0...chunks - 1))
            }
            self.chunk = chunk
            self.size = size
        } else {
            chunk = 0
            guard size == nil || size == length else { throw .malformed("size", .length(length)) }
            self.size = length
        }
        guard length > 0 || chunks > 1 else { throw .malformed("file", .notEmptyFile) }
        classID = try form.classID()
        pageID = try form.text("id") ?? ""
        wantsBytes = try form.text("unsize_change").flatMap { Double($0) }.map { $0 != 0 } ?? false
        keepsFileName = try form.nonEmpty("keepFileName") != nil
        self.file = file

        let dot = file.name.lastIndex(of: ".")
        fileExtension = dot.map { file.name[file.name.index(after: $0)...].lowercased() } ?? ""
        guard settings.extensions.contains(fileExtension) else { throw .fileExtension(allowed: settings.extensions) }
        do throws(ChunkLayout.Contradiction) {
            chunkSize = try ChunkLayout.chunkSize(
                ofChunk: chunk, length: length, chunks: max(chunks, 1), size: self.size, sizeLimit: settings.sizeLimit)
        } catch {
            // WebUploader takes any chunk that is answered with HTTP 200 for stored, a whole file it does not.
            throw chunks > 1 ? .length : .malformed("size", .length(length))
        }
    }

    /// What identifies the upload this request belongs to.
    var key: UploadKey {
        UploadKey(
            owner: owner, md5: md5, extent: size.map(UploadKey.Extent.size) ?? .guid(guid), chunks: chunks,
            chunkSize: chunkSize)
    }

    fileprivate static func checkedGuid(_ guid: String) throws(Failure) -> String {
        let isName = guid.utf8.allSatisfy { byte in
            switch Unicode.Scalar(byte) {
            case "a"..."z", "A"..."Z", "0"..."9", "_", "-": true
            default: false
            }
        }
        guard isName, guid.utf8.count <= 64 else { throw .malformed("guid", .guid) }
        return guid
    }
}

/// A page's upload of some content, as refusals know it.
struct GuidKey: Hashable {
    let owner: ExactText
    /// 32 lower-case hexadecimal digits.
    let md5: String
    let guid: String

    init(owner: String, md5: String, guid: String) {
        self.owner = ExactText(owner)
        self.md5 = md5
        self.guid = guid
    }

    init(_ request: UploadRequest) { self.init(owner: request.owner, md5: request.md5, guid: request.guid) }

    init(_ refusal: Refusal) { self.init(owner: refusal.owner, md5: refusal.md5, guid: refusal.guid) }

    func isOf(owner: String, md5: String) -> Bool { self.md5 == md5 && self.owner == ExactText(owner) }
}

/// Which chunk of which page a request brings, where that can be read, whatever else is wrong with it.
struct SentChunk {
    let key: GuidKey
    let chunk: Int
    let chunks: Int

    init(_ request: UploadRequest) {
        key = GuidKey(request)
        chunk = request.chunk
        chunks = request.chunks
    }

    init?(_ form: RequestForm, owner: String, settings: IntakeSettings) {
        let numbers = 0...settings.chunksLimit
        guard let guid = try? form.nonEmpty("guid"), let guid = try? UploadRequest.checkedGuid(guid),
            let md5 = try? form.md5(), let chunks = try? form.number("chunks", in: numbers),
            let chunk = try? form.number("chunk", in: numbers), chunk < chunks
        else { return nil }
        key = GuidKey(owner: owner, md5: md5, guid: guid)
        self.chunk = chunk
        self.chunks = chunks
    }
}
