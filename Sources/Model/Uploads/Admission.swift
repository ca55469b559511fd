/// Whether a new upload may begin, and which others give way to it: see the article Limits, "One client and all others".
///
/// As long as there is room, all of it is anybody's. When room or number runs out, the client that holds most gives way
/// to one that holds less, until all who hold or ask have equal shares. Two rules make that come to an end: an upload is
/// only taken from a client that holds more than an equal share, and only if it holds more than the asking one would then:
/// by an eighth of what is asked, where the asking one would hold more than an equal share itself. So the largest holdings
/// only shrink, no two clients take the same room from each other in turns, and where none of many with equal files can
/// have all of it, none is ended half-way for the next one.
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

        package var isIdle: Bool { idle >= Admission.idleTime }
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
        case quota(QuotaLimit)
        /// There is no room, and none can be taken.
        case diskFull
    }

    /// - Parameters:
    ///   - room: bytes that are free beside what is promised to open uploads; less than none where the reserve is touched.
    ///   - limits: how many uploads there may be.
    ///   - totals: what clients hold.
    ///   - holdings: all open uploads; asked for only where some may be taken. A client at its limit asks again and again.
    package static func verdict<E: Error>(
        _ request: Request, room: Int, limits: UploadLimits, totals: Totals, holdings: () throws(E) -> [Holding]
    ) throws(E) -> Verdict {
        if totals.ownUploads >= request.client.limit(limits.perClient, of: limits.total) {
            return .refused(.quota(.client))
        }
        let clients = totals.clients + (totals.ownUploads == 0 ? 1 : 0)
        var taking: Taking?
        func take(_ need: Int, _ share: () -> Share, _ size: (Holding) -> Int) throws(E) -> Bool {
            guard need > 0 else { return true }
            let share = share()
            guard share.mayTake else { return false }
            if taking == nil { taking = Taking(try holdings(), for: request.client) }
            return taking!.free(need, above: share.bound, size: size)
        }
        func number() -> Share {
            Share(pool: limits.total, clients: clients, own: totals.ownUploads, asked: 1, most: totals.othersUploads)
        }
        func bytes() -> Share {
            Share(
                pool: max(0, room + totals.bytes), clients: clients, own: totals.ownBytes, asked: request.bytes,
                most: totals.othersBytes)
        }
        guard try take(totals.uploads + 1 - limits.total, number, { _ in 1 }) else { return .refused(.quota(.uploads)) }
        guard try take(request.bytes - room - (taking?.takenBytes ?? 0), bytes, \.bytes) else {
            return .refused(bytes().isUsed ? .quota(.room) : .diskFull)
        }
        return .admitted(evicting: taking?.taken.map(\.upload) ?? [])
    }
}

/// What a client has had enough of when it is refused for its quota.
package enum QuotaLimit: String, CaseIterable, Sendable {
    /// There are as many unfinished uploads as there may be, and none can be taken from another client.
    case uploads
    /// It has as many unfinished uploads as one client may have.
    case client
    /// Its share of the room.
    case room
    /// New videos in a short time.
    case records
}

/// What there is of uploads or of bytes, and the client that asks for some of it.
private struct Share {
    let pool: Int
    /// How many clients hold something or ask.
    let clients: Int
    let own: Int
    let asked: Int
    /// The most that any other client holds.
    let most: Int

    /// What a client may hold without having to give way.
    var bound: Int {
        let equal = pool / clients
        let then = own + asked
        return then <= equal ? equal : then + asked / 8
    }

    /// Nothing is evicted for a client that has an equal share, nor where no client holds more than that.
    var mayTake: Bool { own < (pool + clients - 1) / clients && most > bound }

    /// Whether it is its own share that the client has used up.
    var isUsed: Bool { clients > 1 && own > 0 && own + asked > pool / clients }
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
    private(set) var taken: [Admission.Holding] = []
    /// The uploads that are left, by client, in the order in which they are taken.
    private var left: [Client: [Admission.Holding]]

    init(_ holdings: [Admission.Holding], for asking: Client) {
        self.asking = asking
        left = Dictionary(grouping: holdings, by: \.client).mapValues { $0.sorted(by: Self.goesFirst) }
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
    ///   - bound: what a client may hold without having to give way.
    ///   - size: what an upload holds of it.
    mutating func free(_ need: Int, above bound: Int, size: (Admission.Holding) -> Int) -> Bool {
        var held = left.mapValues { $0.reduce(0) { $0 + size($1) } }
        held[asking] = nil
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
