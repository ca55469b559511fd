import ChunkStore
import Glibc

/// A file's bytes as memory, for reading.
///
/// The kernel brings in what is touched; nothing is copied, and none of it counts as the process's own memory. The file
/// must not be cut meanwhile: a body file is complete when nginx passes its name on, and nginx keeps it until the reply.
struct MappedFile: ~Copyable {
    private let address: UnsafeMutableRawPointer?
    private let length: Int

    init(_ file: StoredFile, length: Int) throws(StoreError) {
        self.length = length
        guard length > 0 else {
            address = nil
            return
        }
        guard let address = mmap(nil, length, PROT_READ, MAP_PRIVATE | Int32(MAP_POPULATE), file.descriptor.number, 0),
            address != MAP_FAILED
        else { throw StoreError("mmap", code: errno) }
        self.address = address
    }

    deinit {
        if let address { munmap(address, length) }
    }

    /// Valid as long as this value lives.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: address, count: length) }
}
