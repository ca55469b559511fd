import Model
import Foundation
import TestSupport
import Testing
import Media

@testable import Worker

/// What others than operators are told of a failed job, and of what is wrong with a video that plays.
@Suite struct VideoFailureTests {
    private func expected(_ code: TranscodingError.Code) -> VideoFailure {
        switch code {
        case .unsupported: .nothingPlays
        case .noIndex: .noIndex
        case .encrypted: .encrypted
        case .noPicture: .noPicture
        case .unknownCodec: .unknownCodec
        case .tooMuch: .tooMuch
        case .timeLimit: .timeLimit
        case .memoryLimit: .memoryLimit
        case .cancelled: .cancelled
        case .toolFailed: .toolFailed
        case .noSpace: .noSpace
        case .io: .internal
        }
    }

    @Test("every code of a job is a reason of the list, and every reason but the worker's death is that of a code")
    func codes() {
        for code in TranscodingError.Code.allCases {
            #expect(VideoFailure(code: code.rawValue) == expected(code))
        }
        #expect(VideoFailure(code: "worker_died") == .workerDied)
        #expect(VideoFailure(code: "") == .internal && VideoFailure(code: "busy") == .internal)
        let reached = Set(TranscodingError.Code.allCases.map(expected)).union([.workerDied])
        #expect(reached == Set(VideoFailure.allCases))
    }

    @Test("the documents have every code with its reason")
    func documented() throws {
        let documents = try Documents.text()
        for code in TranscodingError.Code.allCases.map(\.rawValue) + ["worker_died"] {
            #expect(documents.contains("\n| `\(code)` | `\(VideoFailure(code: code).rawValue)` | "), "\(code)")
        }
    }

    @Test("a video's flaws keep the names that are stored and told")
    func flaws() {
        #expect(VideoFlaw.allCases.map(\.rawValue) == ["truncated", "damaged"])
    }
}
