/// Items that wait, each a client's. Clients take turns, however many items one has, and so do the items of one client.
/// Not thread-safe: its owner guards it.
package struct ClientTurns<Item> {
    /// The items of each client that has some, those that have waited longest first.
    private var waiting: [String: [Item]] = [:]
    /// These clients, the one whose turn it is first.
    private var turns: [String] = []
    package private(set) var count = 0

    package init() {}

    /// Adds an item behind those of its client that wait.
    package mutating func append(_ item: Item, of client: String) {
        if waiting[client] == nil { turns.append(client) }
        waiting[client, default: []].append(item)
        count += 1
    }

    /// Takes the next item: of the first client in turn, of those that may have one; `nil` if there is none.
    package mutating func next(where mayHave: (String) -> Bool = { _ in true }) -> (client: String, item: Item)? {
        guard let index = turns.firstIndex(where: mayHave) else { return nil }
        let client = turns.remove(at: index)
        let item = waiting[client]!.removeFirst()
        if waiting[client]!.isEmpty { waiting[client] = nil } else { turns.append(client) }
        count -= 1
        return (client, item)
    }
}
