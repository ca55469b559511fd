import CCrypto
import Model
import System

/// Where events are delivered to, and how.
package struct Webhook: Equatable, Sendable {
    /// `http://` or `https://`, a host, and what follows.
    let url: String
    /// Whether the receiver may be on this machine or in a private network.
    let allowsPrivateAddresses: Bool
    /// Like `video-intake/0.1.0`.
    let agent: String
    /// Seconds until there must be a connection.
    let connectTimeout: Double
    /// Seconds until there must be an answer.
    let timeout: Double
    private let secret: [UInt8]

    package init(
        url: String, secret: String, allowsPrivateAddresses: Bool, agent: String, connectTimeout: Double = 5,
        timeout: Double = 10
    ) {
        self.url = url
        self.secret = Array(secret.utf8)
        self.allowsPrivateAddresses = allowsPrivateAddresses
        self.agent = agent
        self.connectTimeout = connectTimeout
        self.timeout = timeout
    }

    /// The bytes that are sent: the event's payload, with its number as the first member, `id`.
    func body(of event: Event) -> [UInt8] { Array("{\"id\":\(event.id),\(event.payload.dropFirst())".utf8) }

    /// Like `t=1732160000,v1=5257a8…`: the time, and the HMAC-SHA256 of the time, a dot and the body.
    ///
    /// The scheme is Stripe's: https://docs.stripe.com/webhooks#verify-manually
    /// The time is signed, so that a request cannot be replayed later.
    /// - Parameter time: seconds since 1970.
    func signature(of body: [UInt8], time: Int64) -> String {
        let message = Array("\(time).".utf8) + body
        var digest = [UInt8](repeating: 0, count: 32)
        HMAC(EVP_sha256(), secret, Int32(secret.count), message, message.count, &digest, nil)
        return "t=\(time),v1=\(digest.hexadecimal)"
    }
}
