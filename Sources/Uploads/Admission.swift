/// Whether a new upload may begin, and which others give way to it: the contract's "Limits are by client".
///
/// As long as there is room, all of it is anybody's. When room or number runs out, the client that holds most gives way
/// to one that holds less, until all who hold or ask have equal shares. Two rules make that come to an end: an upload is
/// only taken from a client that holds more than an equal share, and only if it holds more than the asking one would
/// then. So the largest holdings only shrink, and no two clients take the same room from each other in turns.
package enum Admission {
    /// Seconds without a new chunk after which an upload is the first to give way.
    package static let idleTime: Int64 = 600

    /// An upload that is open.
    package struct Holding: Sendable {
        package let upload: Int64
        package let client: Client
        /// What it takes of the room, bytes: the announced size from the first chunk on. What has come, where no size
        /// is announced, or where the owner has the content already.
        package let bytes: Int
        /// Bytes that have come.
        package let received: Int
        /// Seconds since its last chunk.
        package let idle: Int64
        /// All of its chunks are there, and it is about to be a video.
        package let isWhole: Bool

        package init(upload: Int64, client: Client, bytes: Int, received: Int, idle: Int64, isWhole: Bool = false) {
            self.upload = upload
            self.client = client
            self.bytes = bytes
            self.received = received
            self.idle = idle
            self.isWhole = isWhole
        }

        fileprivate var isIdle: Bool { idle >= Admission.idleTime }
    }

    /// The upload that is to begin.
    package struct Request: Sendable {
        package let client: Client
        /// What it will take of the room, bytes.
        package let bytes: Int

        package init(client: Client, bytes: Int) {
            self.client = client
            self.bytes = bytes
        }
    }

    package enum Verdict: Equatable, Sendable {
        /// It begins when these uploads are gone.
        case admitted(evicting: [Int64])
        case refused(Refusal)
    }

    package enum Refusal: Equatable, Sendable {
        /// The client's own share is used up, or there are as many uploads as there may be and none can be taken.
        case quota
        /// There is no room, and none can be taken.
        case diskFull
    }

    /// - Parameters:
    ///   - room: bytes that are free beside what is promised to `holdings`; less than none where the reserve is touched.
    ///   - limits: how many uploads there may be. The client that is not known is not limited by `perClient`.
    ///   - holdings: all open uploads.
    package static func verdict(
        _ request: Request, room: Int, limits: UploadLimits, holdings: [Holding]
    ) -> Verdict {
        let own = holdings.count { $0.client == request.client }
        if request.client.isKnown, own >= limits.perClient { return .refused(.quota) }
        var taking = Taking(holdings, for: request.client)
        guard
            taking.free(
                holdings.count + 1 - limits.total, pool: limits.total, asked: 1, size: { _ in 1 })
        else { return .refused(.quota) }
        let held = holdings.reduce(0) { $0 + $1.bytes }
        let pool = max(0, room + held)
        guard taking.free(request.bytes - room - taking.takenBytes, pool: pool, asked: request.bytes, size: \.bytes)
        else {
            let ownBytes = holdings.reduce(0) { $1.client == request.client ? $0 + $1.bytes : $0 }
            let isOnlyOne = taking.clients == 1
            let isShareUsed = ownBytes > 0 && ownBytes + request.bytes > pool / taking.clients
            return .refused(isShareUsed && !isOnlyOne ? .quota : .diskFull)
        }
        return .admitted(evicting: taking.taken.map(\.upload))
    }
}

/// How many unfinished uploads there may be.
package struct UploadLimits: Equatable, Sendable {
    /// Of all clients together.
    package var total: Int
    /// Of one client.
    package var perClient: Int

    package init(total: Int, perClient: Int) {
        self.total = total
        self.perClient = perClient
    }
}

/// The uploads that are taken for a request, one after the other.
private struct Taking {
    private let asking: Client
    /// How many clients hold something or ask.
    let clients: Int
    private(set) var taken: [Admission.Holding] = []
    /// The uploads that are left, by client, in the order in which they are taken.
    private var left: [Client: [Admission.Holding]]

    init(_ holdings: [Admission.Holding], for asking: Client) {
        self.asking = asking
        left = Dictionary(grouping: holdings, by: \.client).mapValues { $0.sorted(by: Self.goesFirst) }
        clients = left.count + (left[asking] == nil ? 1 : 0)
    }

    var takenBytes: Int { taken.reduce(0) { $0 + $1.bytes } }

    /// Idle ones first, then those that have received least. The last chunk's time and the number make it one order.
    private static func goesFirst(_ one: Admission.Holding, _ other: Admission.Holding) -> Bool {
        (one.isIdle ? 0 : 1, one.received, -one.idle, one.upload)
            < (other.isIdle ? 0 : 1, other.received, -other.idle, other.upload)
    }

    /// Takes uploads until so much is free. Returns whether it is; if not, what was taken is of no use.
    ///
    /// - Parameters:
    ///   - need: what is missing, of the unit that `size` counts in.
    ///   - pool: all there is of it.
    ///   - asked: what the asking client will hold besides.
    ///   - size: what an upload holds of it.
    mutating func free(_ need: Int, pool: Int, asked: Int, size: (Admission.Holding) -> Int) -> Bool {
        guard need > 0 else { return true }
        var held = left.mapValues { $0.reduce(0) { $0 + size($1) } }
        let own = held.removeValue(forKey: asking) ?? 0
        // The client's share is used up: own >= pool / clients, in whole numbers.
        guard own < (pool + clients - 1) / clients else { return false }
        let bound = max(pool / clients, own + asked)
        var free = 0
        // What would not free anything, or is about to be a video, stays.
        var queues = left.mapValues { $0.filter { size($0) > 0 && ($0.isIdle || !$0.isWhole) }[...] }
        queues[asking] = nil
        var gone: Set<Int64> = []
        while free < need {
            let givers = held.filter { $0.value > bound && queues[$0.key]?.isEmpty == false }
            let next = givers.max { one, other in
                let (first, second) = (queues[one.key]!.first!, queues[other.key]!.first!)
                if first.isIdle != second.isIdle { return second.isIdle }
                if one.value != other.value { return one.value < other.value }
                return Self.goesFirst(second, first)
            }
            guard let client = next?.key, let upload = queues[client]?.popFirst() else { return false }
            free += size(upload)
            held[client]! -= size(upload)
            taken.append(upload)
            gone.insert(upload.upload)
        }
        left = left.mapValues { $0.filter { !gone.contains($0.upload) } }
        return true
    }
}
