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

    package init(fieldName: String, fileName: String, contentType: String, content: Range<Int>) {
        self.fieldName = fieldName
        self.fileName = fileName
        self.contentType = contentType
        self.content = content
    }
}
