/// What a form may hold at most. A form over one of them is refused as a whole.
///
/// A parser holds no more than `parts × textBytes` bytes of text, and one text field as it was sent beside them.
package struct FormLimits: Sendable {
    /// Parts of a multipart body, or parameters of a query string or of an urlencoded body.
    package var parts = 64

    /// Bytes of one part's headers, the empty line after them included; also the bytes of one urlencoded name.
    package var partHeaderBytes = 8 * 1024

    /// Bytes of one text field or of one urlencoded value, decoded.
    package var textBytes = 64 * 1024

    /// Bytes of the boundary: https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1
    package var boundaryBytes = 70

    /// Files whose name is not empty: 1, or 0 for none. A `Form` has room for one.
    package var files = 1

    package static let standard = FormLimits()

    /// The standard limits, to be changed.
    package init() {}
}
