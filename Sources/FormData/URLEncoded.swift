/// Query strings and `application/x-www-form-urlencoded` bodies: `name=value` pairs between `&`.
///
/// Reads them like `php_default_treat_data` and `add_post_var`
/// (https://github.com/php/php-src/blob/PHP-8.2/main/php_variables.c).
package enum URLEncoded {
    /// The form that `bytes` spell. A pair without `=` is a name with an empty value; between two `&` in a row is none.
    ///
    /// Throws `tooManyParameters`, `nameTooLong` or `textTooLong`, for the first pair that is over a limit.
    package static func parse(
        _ bytes: UnsafeRawBufferPointer, limits: FormLimits = .standard
    ) throws(FormError) -> Form {
        var form = Form()
        var pairs = 0
        var rest = bytes[...]
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "&")) ?? rest.endIndex
            let pair = rest[..<end]
            rest = rest[end...].dropFirst()
            if pair.isEmpty { continue }

            pairs += 1
            if pairs > limits.parts { throw .tooManyParameters(limit: limits.parts) }
            let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            guard let rawName = decode(pair[..<equals], limit: limits.partHeaderBytes) else {
                throw .nameTooLong(limit: limits.partHeaderBytes)
            }
            guard let name = ParameterName(rawName) else { continue }
            guard let value = decode(pair[equals...].dropFirst(), limit: limits.textBytes) else {
                throw .textTooLong(field: name.text, limit: limits.textBytes)
            }
            form.set(name, to: value)
        }
        return form
    }

    /// The form that a query string spells, the part of a URL after `?`.
    package static func parse(_ query: String, limits: FormLimits = .standard) throws(FormError) -> Form {
        try Array(query.utf8).withUnsafeBufferPointer { utf8 throws(FormError) in
            try parse(UnsafeRawBufferPointer(utf8), limits: limits)
        }
    }

    /// `+` is a space and `%XX` a byte; a `%` without two hexadecimal digits stays as it is. Nil if over `limit` bytes.
    ///
    /// `php_url_decode` in https://github.com/php/php-src/blob/PHP-8.2/ext/standard/url.c
    private static func decode(_ bytes: Slice<UnsafeRawBufferPointer>, limit: Int) -> [UInt8]? {
        var result: [UInt8] = []
        result.reserveCapacity(min(bytes.count, limit))
        var index = bytes.startIndex
        while index < bytes.endIndex {
            if result.count == limit { return nil }
            let byte = bytes[index]
            index += 1
            switch byte {
            case UInt8(ascii: "+"):
                result.append(0x20)
            case UInt8(ascii: "%"):
                if bytes.endIndex - index >= 2, let high = bytes[index].hexDigit, let low = bytes[index + 1].hexDigit {
                    result.append(high << 4 | low)
                    index += 2
                } else {
                    result.append(byte)
                }
            default:
                result.append(byte)
            }
        }
        return result
    }
}
