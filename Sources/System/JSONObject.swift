/// A JSON object that is being written: its members, in the order in which they were added.
///
/// https://www.rfc-editor.org/rfc/rfc8259
package struct JSONObject: Sendable {
    private var members: [UInt8] = []

    package init() {
        members.reserveCapacity(512)
    }

    /// The object's text.
    package var bytes: [UInt8] { [UInt8(ascii: "{")] + members + [UInt8(ascii: "}")] }

    package mutating func add(_ name: StaticString, _ value: Int) { addMember(name, "\(value)") }

    /// Nothing becomes `null`.
    package mutating func add(_ name: StaticString, _ value: Int64?) {
        addMember(name, value.map { "\($0)" } ?? "null")
    }

    /// A number must be finite. Nothing becomes `null`.
    package mutating func add(_ name: StaticString, _ value: Double?) {
        guard let value else { return addMember(name, "null") }
        addMember(name, Int(exactly: value).map { "\($0)" } ?? "\(value)")
    }

    /// A number that always has a decimal point. Nothing becomes `null`.
    package mutating func add(_ name: StaticString, real value: Double?) {
        addMember(name, value.map { "\($0)" } ?? "null")
    }

    /// Nothing becomes `null`.
    package mutating func add(_ name: StaticString, _ value: String?) {
        guard let value else { return addMember(name, "null") }
        addName(name)
        addString(value)
    }

    /// Nothing becomes `null`.
    package mutating func add(_ name: StaticString, _ value: JSONObject?) {
        addName(name)
        if let value { members += value.bytes } else { members += "null".utf8 }
    }

    package mutating func add(_ name: StaticString, _ value: Bool) { addMember(name, value ? "true" : "false") }

    package mutating func add(_ name: StaticString, _ values: [JSONObject]) {
        addList(name, values) { $0.members += $1.bytes }
    }

    /// Nothing becomes `null`.
    package mutating func add(_ name: StaticString, _ values: [String]?) {
        guard let values else { return addMember(name, "null") }
        addList(name, values) { $0.addString($1) }
    }

    package mutating func add(_ name: StaticString, _ values: [Int64]) {
        addList(name, values) { $0.members += "\($1)".utf8 }
    }

    private mutating func addList<Value>(
        _ name: StaticString, _ values: [Value], _ add: (inout JSONObject, Value) -> Void
    ) {
        addName(name)
        members.append(UInt8(ascii: "["))
        for (index, value) in values.enumerated() {
            if index > 0 { members.append(UInt8(ascii: ",")) }
            add(&self, value)
        }
        members.append(UInt8(ascii: "]"))
    }

    private mutating func addMember(_ name: StaticString, _ text: String) {
        addName(name)
        members += text.utf8
    }

    private mutating func addName(_ name: StaticString) {
        if !members.isEmpty { members.append(UInt8(ascii: ",")) }
        members.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { members += $0 }
        members.append(UInt8(ascii: "\""))
        members.append(UInt8(ascii: ":"))
    }

    private mutating func addString(_ text: String) {
        members.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                members.append(UInt8(ascii: "\\"))
                members.append(byte)
            case 0..<0x20:
                members += "\\u00\(CollectionOfOne(byte).hexadecimal)".utf8
            default:
                members.append(byte)
            }
        }
        members.append(UInt8(ascii: "\""))
    }
}
