import Logging

/// A warning about what is tried again and again: said once, until it is another one or over.
struct Complaint {
    private let logger: Logger
    private var last: String?

    init(_ logger: Logger) { self.logger = logger }

    mutating func make(_ text: String) {
        if last != text { logger.warning("\(text)") }
        last = text
    }

    mutating func end() { last = nil }
}
