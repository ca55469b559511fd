import CFastCGI

/// The eight bytes in front of every FastCGI record.
///
///     0        1      2            4                6                7
///     version  type   request id   content length   padding length   reserved     (big endian)
///
/// https://fastcgi-archives.github.io/FastCGI_Specification.html#S3.3
struct RecordHeader {
    static let size = Int(FCGI_HEADER_LEN)

    /// FCGI_BEGIN_REQUEST and so on; a number which is not in the specification is possible.
    let type: Int32
    /// 0 in a management record, which belongs to no request.
    let requestId: UInt16
    /// Bytes, at most 65,535.
    let contentLength: Int
    /// Bytes after the content which mean nothing, at most 255.
    let paddingLength: Int

    init(type: Int32, requestId: UInt16, contentLength: Int) {
        self.type = type
        self.requestId = requestId
        self.contentLength = contentLength
        paddingLength = 0
    }

    /// Takes the first eight of `bytes`. Nil if they are of another version than 1.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes[0] == UInt8(FCGI_VERSION_1) else { return nil }
        type = Int32(bytes[1])
        requestId = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        contentLength = Int(bytes[4]) << 8 | Int(bytes[5])
        paddingLength = Int(bytes[6])
    }

    /// The record with this header, no padding, and `content`, which must be `contentLength` bytes.
    func record(_ content: some Collection<UInt8>) -> [UInt8] {
        precondition(content.count == contentLength && paddingLength == 0)
        var bytes: [UInt8] = [UInt8(FCGI_VERSION_1), UInt8(type)]
        bytes += [UInt8(requestId >> 8), UInt8(requestId & 0xff)]
        bytes += [UInt8(contentLength >> 8), UInt8(contentLength & 0xff), 0, 0]
        bytes += content
        return bytes
    }
}

/// The encoding of FastCGI's name-value pairs: length of the name, length of the value, name, value. A length is one
/// byte up to 127, else four bytes, big endian, with the highest bit set.
///
/// https://fastcgi-archives.github.io/FastCGI_Specification.html#S3.4
enum ParameterBytes {
    /// Where names and values are. Nil unless `bytes` are whole pairs, exactly.
    static func pairs(_ bytes: [UInt8]) -> [(name: Range<Int>, value: Range<Int>)]? {
        var pairs: [(name: Range<Int>, value: Range<Int>)] = []
        var index = 0
        while index < bytes.count {
            guard let name = length(bytes, &index), let value = length(bytes, &index),
                name <= bytes.count - index, value <= bytes.count - index - name
            else { return nil }
            pairs.append((index..<index + name, index + name..<index + name + value))
            index += name + value
        }
        return pairs
    }

    private static func length(_ bytes: [UInt8], _ index: inout Int) -> Int? {
        guard index < bytes.count else { return nil }
        let first = Int(bytes[index])
        if first < 0x80 {
            index += 1
            return first
        }
        guard bytes.count - index >= 4 else { return nil }
        defer { index += 4 }
        return (first & 0x7f) << 24 | Int(bytes[index + 1]) << 16 | Int(bytes[index + 2]) << 8 | Int(bytes[index + 3])
    }
}
