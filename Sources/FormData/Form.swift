/// The parameters of a request: what PHP would find in `$_REQUEST`, and the one file it would find in `$_FILES`.
///
/// Names are as PHP keeps them (see `ParameterName`). A value that is no text (see `FormText`) does no harm unless it is
/// used: old pages send a `lastModifiedDate` in the encoding of their machine.
package struct Form: Sendable, Equatable {
    private enum Parameter: Equatable {
        case scalar(String)
        /// Not UTF-8, or with a NUL.
        case notText
        /// `n[]` or `n[k]`. Nothing here reads arrays, but one hides a scalar of the same name that came before it.
        case array
    }

    private var parameters: [String: Parameter] = [:]
    /// The file, or the "no file chosen" entry if there is no file. Nil if the body had neither.
    package var file: FilePart?

    package init() {}

    /// The last value sent for `name`; nil if there was none, or if it was an array or no text.
    package subscript(name: String) -> String? {
        guard case .scalar(let value) = parameters[name] else { return nil }
        return value
    }

    /// Whether the last value sent for `name` is no text: a request whose parameter is used is refused then.
    package func isNotText(_ name: String) -> Bool { parameters[name] == .notText }

    /// The value of `name` unless PHP's `empty()` is true of it: absent, `""` or `"0"`. A space is not empty.
    ///
    /// https://www.php.net/manual/en/function.empty.php
    package func nonEmpty(_ name: String) -> String? {
        guard let value = self[name], !value.isEmpty, value != "0" else { return nil }
        return value
    }

    /// Adds the body's parameters and file to those of the query; where both have a name, the body's parameter stays.
    ///
    /// PHP's default, `request_order = "GP"`: https://www.php.net/manual/en/ini.core.php#ini.request-order
    package mutating func merge(body: Form) {
        parameters.merge(body.parameters) { _, body in body }
        file = body.file ?? file
    }

    /// Takes the next occurrence of a parameter; the last one wins.
    mutating func set(_ name: ParameterName, to value: some Collection<UInt8>) {
        parameters[name.text] = name.isArray ? .array : FormText.read(value).map(Parameter.scalar) ?? .notText
    }
}

/// The file of a multipart body: an entry of PHP's `$_FILES`, with a place in the body instead of a temporary file.
package struct FilePart: Sendable, Equatable {
    /// The field's name as PHP would key it: `.` and spaces are `_`.
    package var fieldName: String
    /// The client's name of the file, cut at its last `/` or `\`: never a path, but otherwise whatever the client sent.
    /// Empty when no file was chosen.
    package var fileName: String
    /// The part's `Content-Type` up to a `;`, as the client sent it. Empty if there is none or no file was chosen.
    package var contentType: String
    /// Where the content is, in bytes from the start of the body. Empty when no file was chosen.
    package var content: Range<Int>
}

/// The name under which PHP would register a parameter.
///
/// The rules are those of `php_register_variable_ex`:
/// https://github.com/php/php-src/blob/PHP-8.2/main/php_variables.c
struct ParameterName: Equatable, Sendable {
    /// The variable's name, without an index.
    let text: String
    /// Whether there was an index: `n[]`, `n[k]`, `n[k][l]`.
    let isArray: Bool

    /// The name for these bytes, nil if PHP would ignore the parameter.
    init?(_ bytes: some Collection<UInt8>) {
        // PHP's name is a C string here, so a NUL ends it.
        let raw = bytes.prefix { $0 != 0 }.drop { $0 == UInt8(ascii: " ") }
        let bracket = raw.firstIndex(of: UInt8(ascii: "[")) ?? raw.endIndex
        // Nothing is left of a name that begins with a bracket, closed or not.
        if bracket == raw.startIndex { return nil }

        // An index that is never closed is no index, and a name cannot hold its bracket.
        isArray = raw[bracket...].contains(UInt8(ascii: "]"))
        let name = (isArray ? raw[..<bracket] : raw).map { byte in
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "."), UInt8(ascii: "["): UInt8(ascii: "_")
            default: byte
            }
        }
        // No name that anything looks for needs repair, and none becomes one by it.
        text = String(decoding: name, as: UTF8.self)
    }
}

/// Text that a client sends.
package enum FormText {
    /// The text that `bytes` spell; nil if they are not UTF-8 or have a NUL among them, which ends a string for C.
    ///
    /// Nothing is repaired: two names of other bytes would become the same one, and GBK would be stored as something else.
    package static func read(_ bytes: some Sequence<UInt8>) -> String? {
        guard var text = String(validating: bytes, as: UTF8.self) else { return nil }
        return text.withUTF8 { $0.contains(0) } ? nil : text
    }
}

extension UInt8 {
    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let dash = UInt8(ascii: "-")

    /// What C's `isspace` says in the "C" locale, the one PHP parses headers in.
    var isSpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }

    var lowercased: UInt8 { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self }

    /// The value of a hexadecimal digit, nil if it is none.
    package var hexDigit: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension Sequence<UInt8> {
    /// Whether these are the bytes of `word` in any case; `word` is ASCII and in lower case.
    func equalsIgnoringCase(_ word: StaticString) -> Bool {
        word.withUTF8Buffer { word in elementsEqual(word) { $0.lowercased == $1 } }
    }
}

// MARK: - URL-encoded

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

// MARK: - Content-Type

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
            let boundary = try Self.boundary(inContentType: contentType, limits: limits)
        {
            self = .multipart(boundary: boundary)
        } else {
            self = .other
        }
    }

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
