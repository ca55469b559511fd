/// What `msg` of replies is written in.
package enum Language: String, CaseIterable, Sendable {
    /// Chinese.
    case zh
    /// English.
    case en
}

/// A text for people, in each language there is.
package struct Text: Equatable, Sendable {
    package let zh: String
    package let en: String

    package init(_ zh: String, _ en: String) {
        self.zh = zh
        self.en = en
    }

    package subscript(language: Language) -> String {
        switch language {
        case .zh: zh
        case .en: en
        }
    }
}
