/// Whose file is probed next: at most `slots` at once, fair by client.
///
/// A client's next file comes after one of each other client that waits; a client that has not had a turn lately comes
/// first. A value without a lock: see `Durations`.
struct ProbeSchedule {
    struct Task: Equatable {
        /// Relative to the store.
        let path: String
        /// Whose file it is, as `Call.client` has it.
        let client: String
    }

    /// Probes at once.
    let slots: Int

    init(slots: Int = 2) { self.slots = slots }

    /// Files that wait, of all clients and of one. What does not fit is found in the catalogue later.
    static let limit = 1000
    static let clientLimit = 100
    /// Clients whose last turn is remembered.
    private static let memoryLimit = 1000

    /// One client's files, the oldest first, and when the first of them came.
    private struct Line {
        var paths: [String]
        let arrival: Int
    }

    private var lines: [String: Line] = [:]
    /// What waits or is probed.
    private var known: Set<String> = []
    /// When each client had its last turn.
    private var turns: [String: Int] = [:]
    /// Clients of requests that wait for their own probe.
    private var requests: Set<String> = []
    private var clock = 0
    private(set) var running = 0
    private(set) var waiting = 0
    /// Whether something did not fit, and whether anything was recorded since the catalogue was asked last: without that
    /// it would give the same files again and again.
    private var hasOverflowed = false
    private var hasProgressed = true

    /// Whether there is nothing to do or under way.
    var isIdle: Bool { running == 0 && waiting == 0 && !needsRefill }

    /// Whether it is time to look into the catalogue for what did not fit.
    var needsRefill: Bool { running == 0 && waiting == 0 && hasOverflowed && hasProgressed }

    /// Puts a file at the end of its client's line. One that waits or is probed already stays where it is.
    mutating func add(_ task: Task) {
        guard !known.contains(task.path) else { return }
        guard waiting < Self.limit, lines[task.client]?.paths.count ?? 0 < Self.clientLimit else {
            hasOverflowed = true
            return
        }
        clock += 1
        lines[task.client, default: Line(paths: [], arrival: clock)].paths.append(task.path)
        known.insert(task.path)
        waiting += 1
    }

    /// Takes a slot for a request that waits for the answer, if one is free without a queue for it, and no other
    /// request of its client waits for one: a client must not hold several of the threads that answer.
    mutating func beginRequest(of client: String) -> Bool {
        guard running < slots, waiting == 0, !requests.contains(client) else { return false }
        requests.insert(client)
        begin(client)
        return true
    }

    mutating func endRequest(of client: String) {
        requests.remove(client)
        running -= 1
    }

    /// Takes a slot for the file whose turn it is; `nil` if none is free or nothing waits.
    mutating func next() -> Task? {
        guard running < slots else { return nil }
        let first = lines.min { (turns[$0.key] ?? 0, $0.value.arrival) < (turns[$1.key] ?? 0, $1.value.arrival) }
        guard let (client, line) = first else { return nil }
        let task = Task(path: line.paths[0], client: client)
        lines[client]!.paths.removeFirst()
        if line.paths.count == 1 { lines[client] = nil }
        waiting -= 1
        begin(client)
        return task
    }

    /// - Parameter isRecorded: whether the file will not be found in the catalogue again.
    mutating func end(_ task: Task, isRecorded: Bool) {
        known.remove(task.path)
        running -= 1
        if isRecorded { hasProgressed = true }
    }

    /// Until it ends the schedule is not idle.
    mutating func beginRefill() {
        hasOverflowed = false
        hasProgressed = false
        running += 1
    }

    /// Begins it if it is time.
    mutating func beginsRefill() -> Bool {
        guard needsRefill else { return false }
        beginRefill()
        return true
    }

    mutating func endRefill() { running -= 1 }

    private mutating func begin(_ client: String) {
        running += 1
        clock += 1
        turns[client] = clock
        // Rarely: those whose turn was long ago come first anyway.
        if turns.count > Self.memoryLimit {
            let recent = turns.values.sorted()[turns.count / 2]
            turns = turns.filter { $0.value >= recent }
        }
    }
}
