/// A row of the table of settings, all that there is to say of one: flags, names in the environment and the file,
/// checks, help, the manual page and the article are made of it.
struct Setting: Sendable {
    /// As the file has it, without `VIDEO_INTAKE_`.
    let name: String
    /// What a text must be.
    let allowed: String
    /// The default where it depends on the machine or on another setting.
    let defaultInWords: String?
    /// Whether its value is never shown. It has no flag: everybody on the machine can read the arguments of a process.
    let isSecret: Bool
    /// Whether SIGHUP changes it in a process that runs. The other ones are what a process is built of.
    let isReloadable: Bool
    /// What its flag has for the value in the help; `nil`: the flag's name.
    let valueName: String?
    let help: String
    /// What the article has to say beside, in Markdown.
    let note: String
    /// Sets the value to its default, which may depend on the rows above.
    let reset: @Sendable (inout Settings) -> Void
    /// Sets the value; `false` if the text is not allowed, and nothing is changed.
    let set: @Sendable (inout Settings, String) -> Bool
    /// The value as text.
    let text: @Sendable (Settings) -> String
    private let mayHidePassword: @Sendable (String) -> Bool

    /// - Parameters:
    ///   - path: where its value is.
    ///   - other: the default, if it is not what is there at first.
    init<Value>(
        _ name: String, _ path: WritableKeyPath<Settings, Value> & Sendable, _ kind: SettingKind<Value>,
        default other: (@Sendable (Settings) -> Value)? = nil, defaultInWords: String? = nil,
        isSecret: Bool = false, isReloadable: Bool = false, valueName: String? = nil, help: String, note: String = ""
    ) {
        (self.name, allowed, mayHidePassword) = (name, kind.allowed, kind.mayHidePassword)
        (self.defaultInWords, self.isSecret, self.isReloadable) = (defaultInWords, isSecret, isReloadable)
        (self.valueName, self.help, self.note) = (valueName, help, note)
        reset = { if let other { $0[keyPath: path] = other($0) } }
        set = {
            guard let value = kind.parse($1) else { return false }
            $0[keyPath: path] = value
            return true
        }
        text = { kind.print($0[keyPath: path]) }
    }

    static let names = table.map(\.name)

    /// The name as a flag, without its dashes.
    static func flag(_ name: String) -> String { name.lowercased().replacing("_", with: "-") }

    /// What a message calls a text that is not allowed.
    func shown(_ text: String) -> String {
        isSecret || mayHidePassword(text) ? "what it is set to" : "\"\(text)\""
    }
}
