import Glibc

/// Bytes that begin like a video and go on at random, different each time.
package func videoBytes(_ count: Int, container: SampleContainer = .mp4) -> [UInt8] {
    // The generator of the system would be asked for each 8 bytes.
    var bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
        while written < count {
            let length = min(256, count - written)
            precondition(getentropy(buffer.baseAddress! + written, length) == 0)
            written += length
        }
    }
    let head = (container.head + madeUp).prefix(count)
    bytes.replaceSubrange(0..<head.count, with: head)
    return bytes
}

private let madeUp = Array("made up".utf8)

/// Whether `videoBytes` made what begins so.
package func isMadeUp(_ head: [UInt8]) -> Bool {
    [SampleContainer.mp4, .avi, .flv].contains { head.starts(with: $0.head + madeUp) }
}

/// How a video of each kind begins.
package enum SampleContainer: Sendable {
    case mp4, avi, flv

    var head: [UInt8] {
        switch self {
        case .mp4: [0, 0, 0, 0x20] + Array("ftypisom".utf8)
        case .avi: Array("RIFF".utf8) + [0, 0, 1, 0] + Array("AVI ".utf8)
        case .flv: Array("FLV".utf8) + [1, 5, 0, 0, 0, 9, 0, 0]
        }
    }
}
