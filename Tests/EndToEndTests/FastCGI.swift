import Foundation
import TestSupport

/// Just enough of FastCGI to do without nginx: https://fastcgi-archives.github.io/FastCGI_Specification.html
enum FastCGI {
    /// A record of request 1.
    static func record(_ type: UInt8, _ content: [UInt8] = []) -> [UInt8] {
        [1, type, 0, 1, UInt8(content.count >> 8), UInt8(content.count & 255), 0, 0] + content
    }

    /// A whole request with its body on standard input, as nginx sends it without hand-off.
    static func request(_ request: SentRequest) -> [UInt8] {
        var pairs = [
            ("REQUEST_METHOD", request.method), ("REQUEST_URI", request.target),
            (
                "QUERY_STRING",
                request.target.split(separator: "?", maxSplits: 1).dropFirst().first.map(String.init) ?? ""
            ),
            ("CONTENT_TYPE", request.contentType ?? ""), ("CONTENT_LENGTH", "\(request.body.count)"),
        ]
        if let owner = request.owner { pairs.append(("UPLOAD_OWNER", owner)) }
        var parameters: [UInt8] = []
        for (name, value) in pairs {
            // Lengths below 128 take one byte.
            precondition(name.utf8.count < 128 && value.utf8.count < 128)
            parameters += [UInt8(name.utf8.count), UInt8(value.utf8.count)] + Array(name.utf8) + Array(value.utf8)
        }
        var bytes = record(1, [0, 1, 0, 0, 0, 0, 0, 0]) + record(4, parameters) + record(4)
        for start in stride(from: 0, to: request.body.count, by: 32_768) {
            bytes += record(5, Array(request.body[start..<min(start + 32_768, request.body.count)]))
        }
        return bytes + record(5)
    }

    /// What the records of a reply carry as standard output, as a reply.
    static func reply(_ records: [UInt8]) -> ReceivedReply? {
        var output: [UInt8] = []
        var rest = records[...]
        while rest.count >= 8 {
            let header = Array(rest.prefix(8))
            let length = Int(header[4]) << 8 | Int(header[5])
            if header[1] == 6 { output += rest.dropFirst(8).prefix(length) }
            rest = rest.dropFirst(8 + length + Int(header[6]))
        }
        let parts = String(decoding: output, as: UTF8.self).components(separatedBy: "\r\n\r\n")
        guard parts.count == 2 else { return nil }
        let status = parts[0].components(separatedBy: "\r\n").first { $0.hasPrefix("Status: ") }
            .flatMap { Int($0.dropFirst(8).prefix(3)) }
        return ReceivedReply(status: status ?? 200, headers: [], body: Array(parts[1].utf8))
    }
}
