import Catalogue
import ChunkStore
import Logging
import Model
import System

/// Keeps catalogue and store in step: what a crash has left, what has expired, what is deleted. It needs nothing but the two.
///
/// Thread-safe, and safe while requests are served, by this process or others.
package final class Maintainer: Sendable {
    package let catalogue: Catalogue
    let store: any ChunkStore
    let logger: Logger
    /// Where nginx puts body files; `nil` if there are none.
    let bodyDirectory: String?
    private let lifetime: @Sendable () -> Duration
    private let clock: @Sendable () -> Int64
    /// Is called when a video's record is deleted.
    let whenDeleted: @Sendable (Video) -> Void
    /// Is told of each step, for tests.
    let atStep: @Sendable (Step) -> Void

    /// - Parameters:
    ///   - lifetime: of uploads, after their last chunk.
    ///   - clock: seconds since 1970.
    package init(
        _ catalogue: Catalogue, _ store: any ChunkStore, logger: Logger, bodyDirectory: String?,
        lifetime: @escaping @Sendable () -> Duration, clock: @escaping @Sendable () -> Int64,
        whenDeleted: @escaping @Sendable (Video) -> Void = { _ in },
        atStep: @escaping @Sendable (Step) -> Void = { _ in }
    ) {
        self.catalogue = catalogue
        self.store = store
        self.logger = logger
        self.bodyDirectory = bodyDirectory
        self.lifetime = lifetime
        self.clock = clock
        self.whenDeleted = whenDeleted
        self.atStep = atStep
    }

    /// Seconds since 1970.
    var now: Int64 { clock() }

    /// When uploads expire, by the catalogue's clock.
    package var expiry: UploadExpiry {
        UploadExpiry(now: catalogue.clock, lifetime: Int64(lifetime() / .seconds(1)))
    }

    /// Takes a publication back, if it is certain that no record points to it.
    package func withdraw(_ path: String) {
        _ = try? catalogue.whileUnrecorded(path) { store.withdraw(path) }
    }
}
