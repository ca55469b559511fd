import CFastCGI

/// A request's body: the contents of its FCGI_STDIN records up to the empty one. Not thread-safe.
struct RequestInput: ~Copyable {
    private var reader: RecordReader
    private let requestId: UInt16
    /// Of the record being read.
    private var contentLeft = 0
    private var paddingLeft = 0
    private var fault: ConnectionFault?
    /// Whether the empty record was read.
    private(set) var isAtEnd = false

    /// `reader` must be behind the last FCGI_PARAMS record.
    init(reader: consuming RecordReader, requestId: UInt16) {
        self.reader = reader
        self.requestId = requestId
    }

    /// Stores at least one byte, or returns 0 at the end. After a fault every call throws that fault again.
    mutating func read(into target: UnsafeMutableRawBufferPointer) throws(ConnectionFault) -> Int {
        if let fault { throw fault }
        if target.isEmpty || isAtEnd { return 0 }
        do throws(ConnectionFault) {
            if contentLeft == 0 { try nextRecord() }
            if isAtEnd { return 0 }
            let part = UnsafeMutableRawBufferPointer(rebasing: target.prefix(contentLeft))
            let count = try reader.read(into: part)
            contentLeft -= count
            return count
        } catch {
            fault = error
            throw error
        }
    }

    /// Whether the end has been reached, or has come already: nginx sends it along with the parameters if it passes no
    /// body on, and nobody needs to read that.
    mutating func hasNothingLeft() -> Bool {
        guard fault == nil, !isAtEnd, contentLeft == 0, paddingLeft == 0, reader.hasHeader else { return isAtEnd }
        do throws(ConnectionFault) { try nextRecord() } catch { fault = error }
        return isAtEnd
    }

    /// Throws away what is left, at most `limit` bytes (and the rest of a record) and about `seconds`.
    mutating func drain(limit: Int, seconds: Double) {
        guard fault == nil else { return }
        reader.deadline = Deadline(after: seconds)
        var left = limit
        do throws(ConnectionFault) {
            while !isAtEnd, left > 0 {
                left -= contentLeft
                try reader.skip(contentLeft)
                contentLeft = 0
                try nextRecord()
            }
        } catch {
            fault = error
        }
    }

    private mutating func nextRecord() throws(ConnectionFault) {
        try reader.skip(paddingLeft)
        paddingLeft = 0
        while true {
            let header = try reader.header()
            if try reader.takesOther(header, current: requestId) { continue }
            if header.type == FCGI_ABORT_REQUEST { throw .aborted }
            guard header.type == FCGI_STDIN else { throw .malformed }
            contentLeft = header.contentLength
            paddingLeft = header.paddingLength
            isAtEnd = header.contentLength == 0
            return
        }
    }
}
