/// What a request's `Content-Type` says its body is.
package enum BodyFormat: Equatable, Sendable {
    /// `multipart/form-data` with this boundary.
    case multipart(boundary: [UInt8])

    /// `application/x-www-form-urlencoded`.
    case urlEncoded

    /// Anything else, and `multipart/form-data` without a boundary: the body holds no parameters.
    case other

    /// The format for a header's value, `""` if the request has none.
    ///
    /// The type ends at the first of `;`, `,` and space and is compared in any case, like in `sapi_read_post_data`:
    /// https://github.com/php/php-src/blob/PHP-8.2/main/SAPI.c. Throws `boundaryTooLong`.
    package init(contentType: String, limits: FormLimits = .standard) throws(FormError) {
        let type = contentType.utf8.prefix { ![UInt8(ascii: ";"), UInt8(ascii: ","), 0x20].contains($0) }
        if type.equalsIgnoringCase("application/x-www-form-urlencoded") {
            self = .urlEncoded
        } else if type.equalsIgnoringCase("multipart/form-data"),
            let boundary = try MultipartParser.boundary(inContentType: contentType, limits: limits)
        {
            self = .multipart(boundary: boundary)
        } else {
            self = .other
        }
    }
}

extension MultipartParser {
    /// The boundary that a `Content-Type` names; nil if it names none, or an empty one, or a quote stays open.
    ///
    /// Reads it like `rfc1867_post_handler` (https://github.com/php/php-src/blob/PHP-8.2/main/rfc1867.c): behind the
    /// first `=` after `boundary` in any case, in double quotes or up to `,` or `;`. Unlike PHP it drops spaces before
    /// that `,` or `;`: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.6 allows them, no boundary ends with one.
    /// Throws `boundaryTooLong`.
    package static func boundary(
        inContentType value: String, limits: FormLimits = .standard
    ) throws(FormError) -> [UInt8]? {
        let bytes = Array(value.utf8)
        let keyword =
            find("boundary", in: bytes, ignoringCase: false) ?? find("boundary", in: bytes, ignoringCase: true)
        guard let keyword, let equals = bytes[keyword...].firstIndex(of: UInt8(ascii: "=")) else { return nil }

        var boundary = bytes[(equals + 1)...]
        if boundary.first == UInt8(ascii: "\"") {
            boundary = boundary.dropFirst()
            guard let quote = boundary.firstIndex(of: UInt8(ascii: "\"")) else { return nil }
            boundary = boundary[..<quote]
        } else {
            boundary = boundary.prefix { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: ";") }
            while boundary.last == 0x20 || boundary.last == 0x09 { boundary.removeLast() }
        }
        if boundary.isEmpty { return nil }
        if boundary.count > limits.boundaryBytes { throw .boundaryTooLong(limit: limits.boundaryBytes) }
        return Array(boundary)
    }

    private static func find(_ word: StaticString, in bytes: [UInt8], ignoringCase: Bool) -> Int? {
        bytes.indices.first { start in
            let candidate = bytes[start...].prefix(word.utf8CodeUnitCount)
            return ignoringCase
                ? candidate.equalsIgnoringCase(word)
                : word.withUTF8Buffer { candidate.elementsEqual($0) }
        }
    }
}
