import ChunkStore
import Glibc
import System

extension FileChunkStore {
    /// Runs what removes something, also on a full disk: with room from the ballast.
    package func deleting<Result>(_ body: () throws(SystemError) -> Result) throws(SystemError) -> Result {
        while true {
            do throws(SystemError) {
                return try body()
            } catch  where error.code == ENOSPC && ballast.giveBack() {}
        }
    }

    package func restoreBallast() {
        if let room = try? room() { ballast.restore(room: room.data) }
    }

    package func checkRoom(for bytes: Int, withBodies: Bool) throws(StoreError) {
        let found = try calling { () throws(SystemError) in try room(upTo: bytes) }
        guard found.data >= bytes, !withBodies || found.body ?? 0 >= 0 else {
            throw StoreError(.diskFull, "the reserve of free space is reached")
        }
    }

    package func room() throws(StoreError) -> Room {
        try calling { () throws(SystemError) in try room(upTo: .max) }
    }

    /// - Parameter enough: bytes. Where there are as many for sure, bodies are not counted, and less is told than there is.
    private func room(upTo enough: Int) throws(SystemError) -> Room {
        let data = try Self.space(of: directory)
        let kept = reserve.bytes(of: data.total)
        guard let bodyFileSystem else {
            // Room that bodies have now is room that they no longer need. So however many a client sends, and however slowly,
            // the room for everything else stays the same.
            let limit = reserve == .automatic ? min(bodiesLimit, data.total / 20) : 0
            let room = data.free - kept - limit
            guard room < enough else { return Room(data: room, body: nil, inBodies: 0, free: data.free) }
            let bodies = bytesInBodies
            let kept = min(limit, bodies)
            return Room(data: room + kept, body: nil, inBodies: bodies - kept, free: data.free)
        }
        // Only the bodies of requests under way are there, and it may be small, in memory for example: no more than 5 %. Bodies
        // themselves are no reason to refuse an upload: where they leave no room, nginx says 409 to the next ones.
        let body = try Self.space(of: bodyFileSystem.descriptor)
        let room = body.free - min(kept, body.total / 20)
        return Room(
            data: data.free - kept, body: room < 0 ? room + bytesInBodies : room, inBodies: 0, free: data.free)
    }

    package func room(since earlier: Room) throws(StoreError) -> Room {
        // What has become free meanwhile may be a body's, whose room was counted already.
        let free = try calling { () throws(SystemError) in try min(earlier.free, Self.space(of: directory).free) }
        return Room(
            data: earlier.data - (earlier.free - free), body: earlier.body, inBodies: earlier.inBodies, free: free)
    }

    /// Bytes that the bodies of requests under way take.
    private var bytesInBodies: Int {
        guard let bodyDirectory, let bodies = try? Descriptor(directory: bodyDirectory), let names = try? bodies.names()
        else { return 0 }
        return names.reduce(0) { sum, name in
            var status = stat()
            // nginx's names are numbers.
            guard name.utf8.allSatisfy({ (48...57).contains($0) }),
                fstatat(bodies.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0
            else { return sum }
            return sum + Int(status.st_blocks) * 512
        }
    }
}
