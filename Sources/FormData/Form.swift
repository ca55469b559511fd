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
