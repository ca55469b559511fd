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
