import Catalogue
import ChunkStore
import System
import Uploads

/// A first chunk that waits for another one of its guid, to be told from one whose reply was lost.
struct HeldFirstChunk: Sendable {
    let call: Call
    let request: UploadRequest
    let content: Content
    let other: OtherContent?
    let refusal: Refusal
    let place: HeldCalls.Place
}

/// The requests of upload_file that are under way, by guid, and the first chunks that are held: at most one of a guid.
///
/// One lock guards all; nothing is answered or stored under it. Thread-safe.
final class GuidRequests: Sendable {
    private struct Held {
        let first: HeldFirstChunk
        let number: Int
    }

    private struct State {
        var counts: [GuidKey: Int] = [:]
        var held: [GuidKey: Held] = [:]
        var lastNumber = 0
    }

    private let state: Locked<State> = Locked(State())

    /// A request begins; it ends when its call is about to be answered.
    func begin(_ key: GuidKey, _ call: Call) {
        state.withLock { $0.counts[key, default: 0] += 1 }
        call.beforeAnswer { [state] in
            state.withLock { state in
                let count = state.counts[key]! - 1
                state.counts[key] = count > 0 ? count : nil
            }
        }
    }

    /// Whether more than one request of a guid is under way.
    func overlap(_ key: GuidKey) -> Bool {
        state.withLock { $0.counts[key] ?? 0 > 1 }
    }

    /// Holds a first chunk.
    ///
    /// - Returns: its number, and the one of the same guid that was held before and is to be answered now.
    func hold(_ first: HeldFirstChunk) -> (number: Int, before: HeldFirstChunk?) {
        let key = GuidKey(first.request)
        return state.withLock { state in
            let before = state.held[key]
            state.lastNumber += 1
            state.held[key] = Held(first: first, number: state.lastNumber)
            return (state.lastNumber, before?.first)
        }
    }

    /// Takes the first chunk that is held of a request's guid.
    func takeHeld(of request: UploadRequest) -> HeldFirstChunk? {
        let key = GuidKey(request)
        return state.withLock { $0.held.removeValue(forKey: key)?.first }
    }

    /// Takes the first chunk with this number, `nil` if it is held no more.
    func takeHeld(_ number: Int) -> HeldFirstChunk? {
        state.withLock { state in
            guard let key = state.held.first(where: { $0.value.number == number })?.key else { return nil }
            return state.held.removeValue(forKey: key)?.first
        }
    }
}
