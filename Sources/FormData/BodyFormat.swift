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
