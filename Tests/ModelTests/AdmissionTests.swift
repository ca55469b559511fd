import TestTools
import Testing
import Model

private func client(_ number: Int) -> Client { Client(owner: "c\(number)", address: "") }

/// Who gives way to whom.
@Suite struct AdmissionTests {
    private let wide = UploadLimits(total: 1000, perClient: 1000)

    private func holding(
        _ upload: Int64, _ owner: Int, _ bytes: Int, received: Int = 1, idle: Int64 = 0, isWhole: Bool = false
    ) -> Admission.Holding {
        Admission.Holding(
            upload: upload, client: client(owner), bytes: bytes, received: received, idle: idle, isWhole: isWhole)
    }

    private func verdict(
        _ owner: Int, _ bytes: Int, room: Int, _ holdings: [Admission.Holding], limits: UploadLimits? = nil
    ) -> Admission.Verdict {
        verdict(Admission.Request(client: client(owner), bytes: bytes), room: room, limits: limits ?? wide, holdings)
    }

    private func verdict(
        _ request: Admission.Request, room: Int, limits: UploadLimits, _ holdings: [Admission.Holding],
        looks: () -> Void = {}
    ) -> Admission.Verdict {
        var totals = Admission.Totals()
        for (client, its) in Dictionary(grouping: holdings, by: \.client) {
            let bytes = its.reduce(0) { $0 + $1.bytes }
            totals.uploads += its.count
            totals.bytes += bytes
            totals.clients += 1
            if client == request.client {
                (totals.ownUploads, totals.ownBytes) = (its.count, bytes)
            } else {
                totals.othersUploads = max(totals.othersUploads, its.count)
                totals.othersBytes = max(totals.othersBytes, bytes)
            }
        }
        return Admission.verdict(request, room: room, limits: limits, totals: totals) {
            looks()
            return holdings
        }
    }

    @Test("none of many with equal files is ended half-way for the next one, whose file is some bytes smaller")
    func equals() {
        let nine = (1...9).map { holding(Int64($0), $0, 6400 + $0) }
        #expect(verdict(10, 6399, room: 1000, nine) == .refused(.diskFull))
        #expect(verdict(10, 5000, room: 1000, nine) == .admitted(evicting: [9]))
        // Who has less than an equal share gets what others have above it.
        #expect(verdict(2, 49, room: 40, [holding(1, 1, 60)]) == .admitted(evicting: [1]))
    }

    @Test("while there is room one client may have all of it")
    func room() {
        #expect(verdict(1, 100, room: 100, [holding(1, 1, 900)]) == .admitted(evicting: []))
        #expect(verdict(1, 101, room: 100, [holding(1, 1, 900)]) == .refused(.diskFull))
        #expect(verdict(2, 0, room: -1, []) == .refused(.diskFull))
    }

    @Test("who holds most gives way: the idle upload, then the one that has received least")
    func order() {
        let holdings = [
            holding(1, 1, 100, received: 5), holding(2, 1, 100, received: 90, idle: 600),
            holding(3, 1, 100, received: 9),
            holding(4, 1, 100, received: 7, idle: 599), holding(5, 3, 100, received: 0, idle: 6000),
        ]
        #expect(verdict(2, 50, room: 0, holdings) == .admitted(evicting: [2]))
        #expect(verdict(2, 150, room: 0, holdings) == .admitted(evicting: [2, 1]))
        // A third would leave the one that asks with more than the other.
        #expect(verdict(2, 450, room: 0, holdings) == .refused(.diskFull))
    }

    @Test("an idle upload of any client above its share goes before one that goes on")
    func idleFirst() {
        let holdings = [
            holding(1, 1, 300), holding(2, 1, 300), holding(3, 2, 300, received: 200, idle: 900), holding(4, 2, 200),
        ]
        #expect(verdict(3, 100, room: 0, holdings) == .admitted(evicting: [3]))
    }

    @Test("an upload that is whole is not taken while it is being completed")
    func whole() {
        #expect(verdict(2, 10, room: 0, [holding(1, 1, 100, isWhole: true)]) == .refused(.diskFull))
        #expect(
            verdict(2, 10, room: 0, [holding(1, 1, 100, idle: 600, isWhole: true)]) == .admitted(evicting: [1]))
    }

    @Test("a client whose share is used up is told so; one with nothing is told that there is no room")
    func reasons() {
        let holdings = [holding(1, 1, 50), holding(2, 2, 50)]
        #expect(verdict(1, 10, room: 0, holdings) == .refused(.quota(.room)))
        #expect(verdict(3, 90, room: 0, holdings) == .refused(.diskFull))
        #expect(verdict(3, 10, room: 0, holdings) == .admitted(evicting: [1]))
    }

    @Test("when the number runs out, uploads are counted instead of bytes")
    func number() {
        let limits = UploadLimits(total: 4, perClient: 4)
        let holdings = [
            holding(1, 1, 1, received: 3), holding(2, 1, 9, received: 2), holding(3, 1, 1), holding(4, 2, 900),
        ]
        #expect(verdict(3, 1, room: 1000, holdings, limits: limits) == .admitted(evicting: [3]))
        #expect(verdict(1, 1, room: 1000, holdings, limits: limits) == .refused(.quota(.uploads)))
        #expect(verdict(2, 1, room: 1000, holdings, limits: limits) == .admitted(evicting: [3]))
        let equal = [holding(1, 1, 1), holding(2, 2, 1), holding(3, 3, 1), holding(4, 4, 1)]
        #expect(verdict(5, 1, room: 1000, equal, limits: limits) == .refused(.quota(.uploads)))
    }

    @Test("one client may have so many, one that is not known half of all")
    func perClient() {
        let limits = UploadLimits(total: 100, perClient: 2)
        let holdings = [holding(1, 1, 1), holding(2, 1, 1)]
        #expect(verdict(1, 1, room: 1000, holdings, limits: limits) == .refused(.quota(.client)))
        #expect(verdict(2, 1, room: 1000, holdings, limits: limits) == .admitted(evicting: []))
        let unknown = (1...2).map {
            Admission.Holding(upload: $0, client: .unknown, bytes: 1, received: 1, idle: 0)
        }
        let request = Admission.Request(client: .unknown, bytes: 1)
        #expect(
            verdict(request, room: 9, limits: limits, unknown) == .admitted(evicting: []))
        let few = UploadLimits(total: 4, perClient: 1)
        #expect(verdict(request, room: 9, limits: few, unknown) == .refused(.quota(.client)))
    }

    /// What the rule promises, whatever the state.
    @Test("nothing is taken from a client with no more than an equal share, and no more than is needed")
    func shares() {
        let seed = UInt64.random(in: 0 ... .max)
        print("seed \(seed)")
        var generator = SeededGenerator(seed)
        var looks = 0
        // Most of what is asked is decided without the uploads.
        defer { #expect((100..<2500).contains(looks), "\(looks) of 3000 with the uploads") }
        for _ in 0..<3000 {
            let clients = Int.random(in: 1...6, using: &generator)
            let holdings = (0..<Int.random(in: 0...20, using: &generator)).map { number in
                let bytes = Int.random(in: 0...100, using: &generator)
                return holding(
                    Int64(number), Int.random(in: 1...clients, using: &generator), bytes,
                    received: Int.random(in: 0...bytes, using: &generator),
                    idle: Int64.random(in: 0...1200, using: &generator),
                    isWhole: Int.random(in: 0...9, using: &generator) == 0)
            }
            let room = Int.random(in: -20...60, using: &generator)
            let limits = UploadLimits(total: Int.random(in: 1...20, using: &generator), perClient: 1000)
            let (asking, bytes) = (Int.random(in: 1...7, using: &generator), Int.random(in: 0...120, using: &generator))
            let own = holdings.filter { $0.client == client(asking) }
            let sharing = Set(holdings.map(\.client) + [client(asking)]).count
            let pool = max(0, room + holdings.reduce(0) { $0 + $1.bytes })
            func held(_ one: Client, in holdings: [Admission.Holding]) -> (count: Int, bytes: Int) {
                let its = holdings.filter { $0.client == one }
                return (its.count, its.reduce(0) { $0 + $1.bytes })
            }
            let request = Admission.Request(client: client(asking), bytes: bytes)
            let verdict = verdict(request, room: room, limits: limits, holdings, looks: { looks += 1 })
            switch verdict {
            case .admitted(let evicted):
                var left = holdings
                #expect(Set(evicted).count == evicted.count)
                for upload in evicted {
                    let victim = holdings[Int(upload)]
                    let (count, bytes) = held(victim.client, in: left)
                    #expect(victim.client != client(asking))
                    #expect(count * sharing > limits.total || bytes * sharing > pool, "\(verdict)")
                    #expect(victim.isWhole == false || victim.idle >= Admission.idleTime)
                    left.removeAll { $0.upload == upload }
                }
                #expect(left.count < limits.total)
                let free = room + evicted.reduce(0) { $0 + holdings[Int($1)].bytes }
                #expect(free >= bytes)
                // Without the last one there would not be enough.
                if let last = evicted.last {
                    #expect(left.count + 1 >= limits.total || free - holdings[Int(last)].bytes < bytes)
                }
            case .refused:
                let isShort = holdings.count >= limits.total
                // Below its share it is refused only if what others have above what it would have then is not enough.
                let ownBytes = own.reduce(0) { $0 + $1.bytes }
                if !isShort, ownBytes * sharing < pool {
                    let takeable = Set(holdings.map(\.client)).subtracting([client(asking)]).reduce(0) { sum, one in
                        var its = held(one, in: holdings).bytes
                        let equal = pool / sharing
                        let bound = ownBytes + bytes <= equal ? equal : ownBytes + bytes + bytes / 8
                        var freed = 0
                        let queue = holdings.filter {
                            $0.client == one && $0.bytes > 0 && (!$0.isWhole || $0.idle >= Admission.idleTime)
                        }.sorted {
                            ($0.idle >= 600 ? 0 : 1, $0.received, -$0.idle, $0.upload)
                                < ($1.idle >= 600 ? 0 : 1, $1.received, -$1.idle, $1.upload)
                        }
                        for upload in queue where its > bound {
                            its -= upload.bytes
                            freed += upload.bytes
                        }
                        return sum + freed
                    }
                    #expect(room + takeable < bytes)
                }
            }
        }
    }

    @Test("greedy clients end with equal shares, of room and of number, and stay there")
    func convergence() {
        let seed = UInt64.random(in: 0 ... .max)
        print("seed \(seed)")
        var generator = SeededGenerator(seed)
        for isOfRoom in [true, false] {
            let clients = Int.random(in: 2...9, using: &generator)
            let total = isOfRoom ? 1_000_000 : Int.random(in: clients...200, using: &generator)
            let disk = isOfRoom ? Int.random(in: 500...5000, using: &generator) : 1_000_000_000
            let largest = 40
            var holdings: [Admission.Holding] = []
            var (next, changes) = (Int64(0), 0)
            func held(_ number: Int) -> Int {
                holdings.reduce(0) { $1.client == client(number) ? $0 + (isOfRoom ? $1.bytes : 1) : $0 }
            }
            /// Returns whether it was admitted.
            func ask(_ number: Int, _ size: Int) -> Bool {
                let room = disk - holdings.reduce(0) { $0 + $1.bytes }
                guard
                    case .admitted(let evicted) = verdict(
                        number, size, room: room, holdings, limits: UploadLimits(total: total, perClient: 1_000_000))
                else { return false }
                holdings.removeAll { evicted.contains($0.upload) }
                holdings.append(holding(next, number, size, received: Int.random(in: 0...size, using: &generator)))
                next += 1
                changes += 1
                return true
            }
            // The first takes all there is.
            while ask(1, largest) {}
            // Then all ask, in any order, until nobody gets anything in many rounds.
            var quiet = 0
            while quiet < 50 * clients {
                let size = Int.random(in: 1...largest, using: &generator)
                quiet = ask(Int.random(in: 1...clients, using: &generator), size) ? 0 : quiet + 1
                guard changes < 1_000_000 else { break }
            }
            #expect(changes < 1_000_000, "it does not come to an end")
            let shares = (1...clients).map(held)
            let pool = isOfRoom ? disk : total
            #expect(
                shares.allSatisfy { abs($0 - pool / clients) <= (isOfRoom ? 2 * largest : 1) },
                "\(shares) of \(pool)")
        }
    }
}
