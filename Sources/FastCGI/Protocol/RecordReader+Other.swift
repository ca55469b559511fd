import CFastCGI

extension RecordReader {
    /// Takes the record after `header` if it does not belong to the request `current` (nil: none has begun), and
    /// answers it where the specification asks for an answer. Returns false, and takes nothing, if it does belong to it.
    ///
    /// https://fastcgi-archives.github.io/FastCGI_Specification.html#S4
    mutating func takesOther(_ header: RecordHeader, current: UInt16?) throws(ConnectionFault) -> Bool {
        if header.requestId == UInt16(FCGI_NULL_REQUEST_ID) {
            try answerManagement(header)
            return true
        }
        if header.requestId == current { return false }
        if header.type == FCGI_BEGIN_REQUEST {
            guard current != nil else { return false }
            try sendEnd(of: header.requestId, status: FCGI_CANT_MPX_CONN)
        }
        // "Records with a request ID that is not active are ignored" (section 3.3).
        try skip(header.contentLength + header.paddingLength)
        return true
    }

    /// Sends an FCGI_END_REQUEST record for a request that was not taken on.
    func sendEnd(of requestId: UInt16, status: Int32) throws(ConnectionFault) {
        let header = RecordHeader(type: FCGI_END_REQUEST, requestId: requestId, contentLength: 8)
        try send(header.record([0, 0, 0, 0, UInt8(status), 0, 0, 0]))
    }

    /// FCGI_GET_VALUES gets the one value that is fixed here, any other management record FCGI_UNKNOWN_TYPE. How many
    /// connections are served at a time is left out, which the specification allows.
    private mutating func answerManagement(_ header: RecordHeader) throws(ConnectionFault) {
        guard header.type == FCGI_GET_VALUES else {
            try skip(header.contentLength + header.paddingLength)
            let reply = RecordHeader(type: FCGI_UNKNOWN_TYPE, requestId: 0, contentLength: 8)
            return try send(reply.record([UInt8(header.type), 0, 0, 0, 0, 0, 0, 0]))
        }
        let content = try bytes(header.contentLength)
        try skip(header.paddingLength)
        guard let names = ParameterBytes.pairs(content)?.map(\.name) else { throw .malformed }
        var values: [UInt8] = []
        let name = Array(FCGI_MPXS_CONNS.utf8)
        if names.contains(where: { content[$0].elementsEqual(name) }) {
            values = [UInt8(name.count), 1] + name + [UInt8(ascii: "0")]
        }
        let reply = RecordHeader(type: FCGI_GET_VALUES_RESULT, requestId: 0, contentLength: values.count)
        try send(reply.record(values))
    }
}
