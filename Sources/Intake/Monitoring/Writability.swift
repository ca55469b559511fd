import Catalogue
import LoadingCache
import System

/// Whether new uploads can be taken, and why not.
package enum Readiness: String, Sendable {
    case ok
    case diskFull = "disk-full"
    case catalogue
    case stopping
    case unavailable

    func reply(_ language: Language) -> Reply {
        var data = JSONObject()
        data.add("ready", self == .ok)
        data.add("reason", rawValue)
        let message =
            switch self {
            case .ok: Text("ok", "ok")
            case .diskFull: Text("存储空间不足", "The disk is at its reserve")
            case .catalogue: Text("无法写入数据库", "The catalogue cannot be written")
            case .stopping: Text("正在停止", "The responder is stopping")
            case .unavailable: Text("暂不可用", "The responder is not available")
            }
        return self == .ok
            ? Reply(code: 1, message: message[language], data: data)
            : Reply(
                status: 503, code: -2, message: message[language], data: data,
                reason: self == .diskFull ? .diskFull : .unavailable)
    }
}

/// Whether the catalogue can be written. To find out is a write, and competes with those of uploads: it is done by one
/// thread at a time and at most once a second, however many ask. Thread-safe.
final class Writability: Sendable {
    private struct State {
        /// At the start as if it had been found out: a catalogue that cannot be written keeps a responder from starting.
        var answer = Readiness.ok
        /// When the answer was found.
        var time: Int64?
        /// Since when a thread is finding out.
        var begin: Int64?
    }

    private let catalogue: Catalogue
    private let ticker: Ticker
    private let state = Locked(State())

    /// Nanoseconds for which an answer holds.
    private static let lifetime: Int64 = 1_000_000_000

    /// Nanoseconds of a write after which the answer before it counts no more.
    private static let patience: Int64 = 5_000_000_000

    init(_ catalogue: Catalogue, ticker: Ticker) {
        self.catalogue = catalogue
        self.ticker = ticker
    }

    var answer: Readiness {
        let now = ticker.now()
        let known: Readiness? = state.withLock { state in
            if let begin = state.begin { return now - begin < Self.patience ? state.answer : .catalogue }
            if let time = state.time, now - time < Self.lifetime { return state.answer }
            state.begin = now
            return nil
        }
        if let known { return known }
        let answer = write()
        let time = ticker.now()
        state.withLock { $0 = State(answer: answer, time: time, begin: nil) }
        return answer
    }

    private func write() -> Readiness {
        do throws(CatalogueError) {
            try catalogue.checkWritable()
            return .ok
        } catch {
            return error.reason == .diskFull ? .diskFull : .catalogue
        }
    }
}
