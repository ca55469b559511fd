@_exported import TestTools
import Foundation

/// A service that requests can be sent to: in this process, or behind a real nginx.
package protocol Site: Sendable {
    /// Where the videos, unfinished uploads and the catalogue are.
    var dataDirectory: URL { get }
    /// Sends one request and waits for its reply.
    func send(_ request: SentRequest) throws -> ReceivedReply
}
