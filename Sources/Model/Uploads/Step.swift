/// Where a test can stop what must not meet: sealing and deletion.
package enum Step: CaseIterable, Sendable {
    /// An upload's digest is the one that was sent.
    case verified
    /// It is known which file has the same bytes, if any.
    case compared
    /// The video's name is noted as the upload's.
    case named
    /// The file has its name.
    case published
    /// The record is committed.
    case sealed

    /// A video's record is deleted, and what has no record any more is garbage.
    case recordDeleted
    /// Some of the garbage is out of its place.
    case movedToTrash
    /// It is removed.
    case trashRemoved
    /// Its path is free again.
    case garbageForgotten

    package static let ofSealing: [Step] = [.verified, .compared, .named, .published, .sealed]
    package static let ofDeletion: [Step] = [.recordDeleted, .movedToTrash, .trashRemoved, .garbageForgotten]
}
