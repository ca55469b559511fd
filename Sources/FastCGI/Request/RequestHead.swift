import CFastCGI

/// The beginning of a request: who asks for what, up to the end of its parameters, checked.
struct RequestHead {
    let requestId: UInt16
    /// Whole name-value pairs, as in `ParameterBytes`; no name has "=" or NUL in it.
    let parameters: [UInt8]
    /// The values with a NUL in them, where libfcgi would end: of each name the first one.
    let cut: [String: [UInt8]]

    /// Reads the records up to and including the empty FCGI_PARAMS record, at most `limit` bytes of them.
    static func read(from reader: inout RecordReader, limit: Int) throws(ConnectionFault) -> RequestHead {
        var budget = limit
        let requestId = try begin(&reader, &budget)
        let parameters = try parameters(&reader, requestId, &budget)
        guard let pairs = ParameterBytes.pairs(parameters) else { throw .malformed }
        // libfcgi keeps "name=value" C strings: such a name would pass for another one.
        guard pairs.allSatisfy({ name, _ in !parameters[name].contains { $0 == UInt8(ascii: "=") || $0 == 0 } }) else {
            throw .malformed
        }
        var cut: [String: [UInt8]] = [:]
        for (name, value) in pairs.reversed() {
            let isCut = parameters.withUnsafeBufferPointer { $0[value].contains(0) }
            guard isCut || !cut.isEmpty else { continue }
            cut[String(decoding: parameters[name], as: UTF8.self)] = isCut ? Array(parameters[value]) : nil
        }
        return RequestHead(requestId: requestId, parameters: parameters, cut: cut)
    }

    private static func begin(
        _ reader: inout RecordReader, _ budget: inout Int
    ) throws(ConnectionFault) -> UInt16 {
        while true {
            let header = try header(&reader, &budget)
            if try reader.takesOther(header, current: nil) { continue }
            guard header.contentLength == 8 else { throw .malformed }
            let body = try reader.bytes(8)
            try reader.skip(header.paddingLength)
            guard Int32(body[0]) << 8 | Int32(body[1]) == FCGI_RESPONDER else {
                try reader.sendEnd(of: header.requestId, status: FCGI_UNKNOWN_ROLE)
                throw .otherRole
            }
            return header.requestId
        }
    }

    private static func parameters(
        _ reader: inout RecordReader, _ requestId: UInt16, _ budget: inout Int
    ) throws(ConnectionFault) -> [UInt8] {
        var parameters: [UInt8] = []
        while true {
            let header = try header(&reader, &budget)
            if try reader.takesOther(header, current: requestId) { continue }
            if header.type == FCGI_ABORT_REQUEST { throw .aborted }
            guard header.type == FCGI_PARAMS else { throw .malformed }
            parameters += try reader.bytes(header.contentLength)
            try reader.skip(header.paddingLength)
            if header.contentLength == 0 { return parameters }
        }
    }

    private static func header(
        _ reader: inout RecordReader, _ budget: inout Int
    ) throws(ConnectionFault) -> RecordHeader {
        let header = try reader.header()
        budget -= RecordHeader.size + header.contentLength + header.paddingLength
        guard budget >= 0 else { throw .malformed }
        return header
    }

    /// The head again, as libfcgi wants to read it: without padding (it does not skip the last record's), without
    /// records in between, and with FCGI_KEEP_CONN set (else it closes the connection itself, see `HeadFile`).
    var records: [UInt8] {
        let begin = RecordHeader(type: FCGI_BEGIN_REQUEST, requestId: requestId, contentLength: 8)
        var bytes = begin.record([0, UInt8(FCGI_RESPONDER), UInt8(FCGI_KEEP_CONN), 0, 0, 0, 0, 0])
        bytes.reserveCapacity(bytes.count + parameters.count + 64)
        var rest = parameters[...]
        while !rest.isEmpty {
            let part = rest.prefix(Int(FCGI_MAX_LENGTH))
            rest = rest.dropFirst(part.count)
            bytes += RecordHeader(type: FCGI_PARAMS, requestId: requestId, contentLength: part.count).record(part)
        }
        return bytes + RecordHeader(type: FCGI_PARAMS, requestId: requestId, contentLength: 0).record([])
    }
}
