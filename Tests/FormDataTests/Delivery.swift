import FormData
import Testing

/// What a parser made of a body: the form and the file content that it passed on, or the error.
enum Outcome: Equatable {
    case form(Form, content: [UInt8])
    case refused(FormError)

    /// The form, or a failure of the test.
    var form: Form {
        get throws {
            guard case .form(let form, _) = self else { throw Unexpected(outcome: self) }
            return form
        }
    }

    var error: FormError? {
        guard case .refused(let error) = self else { return nil }
        return error
    }

    struct Unexpected: Error { var outcome: Outcome }
}

/// A body on its way to a parser, as a server reads it: into a buffer of fixed size whose unconsumed tail moves to the
/// front before the next read.
struct Delivery {
    var body: [UInt8]
    var boundary = "b"
    var limits = FormLimits.standard

    init(_ body: [UInt8], boundary: String = "b", limits: FormLimits = .standard) {
        self.body = body
        self.boundary = boundary
        self.limits = limits
    }

    init(_ body: String, boundary: String = "b", limits: FormLimits = .standard) {
        self.init(Array(body.utf8), boundary: boundary, limits: limits)
    }

    /// The whole body as one window.
    func whole() throws -> Outcome {
        try read([body.count], isEndKnown: true)
    }

    /// The body in reads of these sizes, then the rest in one. Without `isEndKnown` the end shows only when a read
    /// brings nothing more, as on a stream.
    ///
    /// Each window is an allocation of its own, so that pointers into an earlier one are of no use.
    func read(_ sizes: some Sequence<Int>, capacity: Int = .max, isEndKnown: Bool = false) throws -> Outcome {
        do {
            var parser = try MultipartParser(boundary: Array(boundary.utf8), limits: limits)
            var sizes = sizes.makeIterator()
            var content: [UInt8] = []
            var consumed = 0
            var arrived = 0
            var isLast = false
            while !isLast {
                let room = min(body.count, consumed + min(capacity, body.count)) - arrived
                let size = min(sizes.next() ?? body.count, room)
                isLast = arrived == body.count || (isEndKnown && arrived + size == body.count)
                arrived += size
                let window = Array(body[consumed..<arrived])
                let count = try window.withUnsafeBytes { window in
                    try parser.parse(window, isLast: isLast) { piece in
                        #expect(!piece.isEmpty)
                        content += piece
                    }
                }
                try #require((0...window.count).contains(count))
                try #require(window.count < capacity || count > 0, "a full buffer must be enough to go on")
                try #require(!isLast || count == window.count, "the last window must be consumed")
                consumed += count
            }
            return .form(try parser.finish(), content: content)
        } catch let error as FormError {
            return .refused(error)
        }
    }
}

/// SplitMix64 (https://prng.di.unimi.it/splitmix64.c): the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// A part with this `Content-Disposition` after `form-data; `, and the delimiter before it, for the boundary `b`.
func part(_ parameters: String, _ value: String) -> String {
    "--b\r\nContent-Disposition: form-data; \(parameters)\r\n\r\n\(value)\r\n"
}
