import Model
import System

/// What the service may take of the machine, by its settings.
package struct ResourceLimits: Sendable {
    /// Requests that are served at the same time.
    package var threads: Int
    /// Descriptors of the process.
    package var descriptors: Int
    /// Bytes of a body that is held in memory.
    package var memoryBodyLimit: Int
    /// Of the catalogue and the store.
    private let drivers: [Footprint]

    package init(
        threads: Int = 8, descriptors: Int = 1024, memoryBodyLimit: Int = IntakeSettings().memoryBodyLimit,
        drivers: [Footprint] = []
    ) {
        self.threads = threads
        self.descriptors = descriptors
        self.memoryBodyLimit = memoryBodyLimit
        self.drivers = drivers
    }

    // MARK: - Descriptors

    /// Of a thread: it waits for connections and reads heads, and of a request the connection, the body, a directory and a
    /// file beside the upload's own.
    private static let descriptorsOfThread = 6
    /// Standard streams, socket, directories, clocks, and of a child that looks at a file its pipes.
    private static let otherDescriptors = 24

    /// Each probe takes some descriptors for its child, and each completion some for what it compares and publishes.
    private var hasManyDescriptors: Bool { descriptors >= 256 }

    /// Files that ffprobe looks at at the same time.
    var probes: Int { hasManyDescriptors ? 2 : 1 }

    /// Uploads that are completed at the same time.
    var completions: Int { hasManyDescriptors ? 32 : 4 }

    /// Calls that are held without a thread: each has its connection.
    var heldCalls: Int { min(1024, descriptors / 4) }

    /// Calls that are held with their bodies: each has its connection and its body.
    var heldBodies: Int { min(64, descriptors / 16) }

    /// Unfinished uploads whose file stays open between two chunks.
    package var openUploads: Int {
        let left =
            descriptors - Self.otherDescriptors - drivers.reduce(0) { $0 + $1.descriptors }
            - Self.descriptorsOfThread * threads - heldCalls - 2 * heldBodies
        // More are looked through when one has to be closed. Fewer than a few cost more than they save: what requests have
        // open at the same time is then less than it could be, and a lack of descriptors closes these too.
        return min(max(left, 4), 1024)
    }

    // MARK: - Memory

    /// Chunks of all uploads together that are known without asking the catalogue.
    package static let knownChunks = 512 * 1024
    /// Bytes that one takes: its record and its place in two tables, which grow by doubling.
    private static let bytesOfChunk = 160
    /// Bytes that an upload takes besides: keys, names, guids, locks, and the state of its digest.
    private static let bytesOfUpload = 8 * 1024
    /// Bytes of the program itself: its code and tables, and what the allocator keeps for its threads.
    private static let program = 96 << 20
    /// Bytes of a thread: its stack, and what it reads into.
    private static let bytesOfThread = (1 << 20) + 4 * StoredFile.pieceSize
    /// Bytes of a request on a thread: its text, twice, because a query and a body are merged.
    private static let bytesOfText = 2 * FormReader.textLimit
    /// Threads of determine_chunk_exist: fewer than the catalogue has connections that read.
    static let questions = 2
    /// Bytes of a held call: its parameters, at most 64 KiB as they come and as they are kept, and libfcgi's buffers.
    private static let bytesOfCall = 160 << 10

    /// Bytes that the responder takes at most.
    package var memory: Int {
        let requests = threads * (memoryBodyLimit + Self.bytesOfThread + Self.bytesOfText)
        let held =
            heldCalls * Self.bytesOfCall + heldBodies * (memoryBodyLimit + Self.bytesOfCall)
        let uploads =
            openUploads * Self.bytesOfUpload + Self.knownChunks * Self.bytesOfChunk
        let work = (completions + Self.questions) * Self.bytesOfThread + drivers.reduce(0) { $0 + $1.memory }
        return Self.program + requests + held + uploads + work + KnownVideos.memoryLimit
    }
}
