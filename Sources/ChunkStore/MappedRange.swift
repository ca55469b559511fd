import Glibc

/// A range of a file as memory, for reading.
///
/// The kernel brings in what is touched; nothing is copied, and none of it counts as the process's own memory. The file
/// must not be cut meanwhile: a body file is complete when nginx passes its name on, and nginx keeps it until the reply.
package struct MappedRange: ~Copyable {
    private let mapping: UnsafeMutableRawBufferPointer
    /// Bytes of the mapping before the range: a mapping begins at a page.
    private let lead: Int

    private static let pageSize = Int(getpagesize())

    package init(_ range: FileRange) throws(StoreError) {
        lead = range.offset % Self.pageSize
        let length = lead + range.length
        guard range.length > 0 else {
            mapping = UnsafeMutableRawBufferPointer(start: nil, count: 0)
            return
        }
        let address = mmap(
            nil, length, PROT_READ, MAP_PRIVATE | Int32(MAP_POPULATE), range.file.descriptor.number,
            off_t(range.offset - lead))
        guard let address, address != MAP_FAILED else { throw StoreError("mmap", code: errno) }
        mapping = UnsafeMutableRawBufferPointer(start: address, count: length)
    }

    deinit {
        if let address = mapping.baseAddress { munmap(address, mapping.count) }
    }

    /// Valid as long as this value lives.
    package var bytes: UnsafeRawBufferPointer {
        mapping.isEmpty ? UnsafeRawBufferPointer(mapping) : UnsafeRawBufferPointer(rebasing: mapping[lead...])
    }
}
