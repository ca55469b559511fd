import Catalogue
import ChunkStore
import Glibc
import Model

/// Room for what is about to be stored.
extension IntakeService {
    /// Sees to room for a chunk which nothing was promised for. Others give way to it as to a new upload.
    func makeRoom(for length: Int, in upload: ActiveUpload) throws(Failure) {
        let record = upload.record
        // As long as there is room, nothing is added up and no turn to write is needed.
        let promised = try recording(promisedBytes.value(catalogue))
        if (try? store.checkRoom(for: promised + length, withBodies: false)) != nil { return }
        for attempt in 0... {
            let room = try diskRoom(\.data)
            switch try recording(catalogue.makeRoom(for: length, of: record, room: room, now: uploadTime)) {
            case .made(let expired):
                return retire(expired, .expired, for: Client(recorded: record.client))
            case .none(_, _, comesFree: true) where attempt < 2 && waitForRoom(): continue
            case .none(let reason, let hasChunks, let comesFree):
                if hasChunks || comesFree { throw .diskFullForNow }
                if case .quota(let limit) = reason { throw .quota(limit) }
                throw .diskFull
            }
        }
    }

    /// How often a request asks again for room that is on its way off the disk, and after how many seconds. Most of it is
    /// there at once; the rest the page waits for. A first chunk waits without a thread.
    static let roomAttempts = 6
    static let roomPause = 0.05

    /// Waits a moment for it, with this thread. Returns `false` at once if another request does so: threads are for all
    /// clients.
    func waitForRoom() -> Bool {
        guard waitsForRoom.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged
        else { return false }
        usleep(UInt32(Self.roomPause * 1_000_000))
        waitsForRoom.store(false, ordering: .releasing)
        return true
    }

    /// What there is of the disk, to be asked in a transaction: only a quick look is left for then.
    ///
    /// - Parameter part: which bytes count.
    func diskRoom(_ part: @escaping @Sendable (Room) -> Int) throws(Failure) -> @Sendable () -> DiskRoom {
        let before = try storing(store.room())
        return { [self] in
            let room = (try? store.room(since: before)) ?? before
            return DiskRoom(
                free: part(room), coming: part(before) - part(room) + room.inBodies,
                unrecorded: unrecorded.load(ordering: .relaxed))
        }
    }
}

extension Room {
    /// What new uploads may take of it: nothing where the bodies have none.
    var forUploads: Int { body.map { $0 < 0 ? min(data, $0) : data } ?? data }
}
