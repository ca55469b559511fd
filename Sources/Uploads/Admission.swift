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

    /// What clients hold, without the uploads one by one.
    package struct Totals: Equatable, Sendable {
        /// Of all together.
        package var uploads = 0
        package var bytes = 0
        /// How many clients hold something.
        package var clients = 0
        /// Of the client that asks.
        package var ownUploads = 0
        package var ownBytes = 0
        /// The most that any other client holds.
        package var othersUploads = 0
        package var othersBytes = 0

        package init() {}
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

    /// The same as `verdict` with all open uploads would say, where totals are enough for it; `nil` where the uploads decide.
    ///
    /// A client at its limit asks again and again, and each time all uploads would have to be looked at.
    package static func verdict(
        _ request: Request, room: Int, limits: UploadLimits, totals: Totals
    ) -> Verdict? {
        if request.client.isKnown, totals.ownUploads >= limits.perClient { return .refused(.quota) }
        let clients = totals.clients + (totals.ownUploads == 0 ? 1 : 0)
        func canTake(_ pool: Int, own: Int, asked: Int, most: Int) -> Bool {
            own < share(of: pool, clients) && most > bound(pool, clients, own: own, asked: asked)
        }
        if totals.uploads >= limits.total {
            let (own, most) = (totals.ownUploads, totals.othersUploads)
            return canTake(limits.total, own: own, asked: 1, most: most) ? nil : .refused(.quota)
        }
        if request.bytes <= room { return .admitted(evicting: []) }
        let pool = max(0, room + totals.bytes)
        if canTake(pool, own: totals.ownBytes, asked: request.bytes, most: totals.othersBytes) { return nil }
        return .refused(reason(request, pool: pool, own: totals.ownBytes, clients: clients))
    }

    /// An equal share, above which nothing is taken for a client.
    fileprivate static func share(of pool: Int, _ clients: Int) -> Int { (pool + clients - 1) / clients }

    /// What a client may hold without having to give way.
    fileprivate static func bound(_ pool: Int, _ clients: Int, own: Int, asked: Int) -> Int {
        max(pool / clients, own + asked)
    }

    /// Why there is no room for a request.
    private static func reason(_ request: Request, pool: Int, own: Int, clients: Int) -> Refusal {
        let isShareUsed = own > 0 && own + request.bytes > pool / clients
        return isShareUsed && clients > 1 ? .quota : .diskFull
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
            let own = holdings.reduce(0) { $1.client == request.client ? $0 + $1.bytes : $0 }
            return .refused(reason(request, pool: pool, own: own, clients: taking.clients))
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

    /// For what is no new upload.
    package static let none = UploadLimits(total: .max, perClient: .max)
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
        // Otherwise the client's share is used up.
        guard own < Admission.share(of: pool, clients) else { return false }
        let bound = Admission.bound(pool, clients, own: own, asked: asked)
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
