import CCurl
import Glibc
import Model
import System

/// Delivers events to one receiver, over one connection as long as that stays open. To be used by one thread at a time.
/// An easy handle of libcurl: https://curl.se/libcurl/c/libcurl-easy.html
package struct WebhookConnection: ~Copyable {
    private let webhook: Webhook
    private let handle: UnsafeMutableRawPointer

    package init(_ webhook: Webhook) {
        self.webhook = webhook
        guard Self.isLibraryReady, let handle = curl_easy_init() else { fatalError("libcurl cannot be initialised") }
        self.handle = handle
    }

    deinit { curl_easy_cleanup(handle) }

    /// Once for the process: https://curl.se/libcurl/c/curl_global_init.html
    private static let isLibraryReady = curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK

    /// Sends an event, in one POST request. It is delivered when the receiver has answered with 2xx; what comes after the
    /// status does not matter.
    /// - Parameters:
    ///   - time: when, for the signature. Seconds since 1970.
    ///   - isStopped: asked whenever something happens, and about once a second; ends the request.
    package func deliver(_ event: Event, time: Int64, isStopped: @escaping () -> Bool) throws(DeliveryFailure) {
        let transfer = Transfer(allowsPrivateAddresses: webhook.allowsPrivateAddresses, isStopped: isStopped)
        // What is left of the last transfer would point to its memory. The connection stays.
        curl_easy_reset(handle)
        defer { curl_easy_reset(handle) }
        try setLimits()
        try transfer.attach(to: handle)

        let body = webhook.body(of: event)
        try set(CURLOPT_POSTFIELDSIZE, body.count)
        try Transfer.check(vi_curl_set_pointer(handle, CURLOPT_COPYPOSTFIELDS, body))
        var headers: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(headers) }
        for header in [
            "Content-Type: application/json",
            "X-Video-Intake-Event: \(event.kind.rawValue)",
            "X-Video-Intake-Id: \(event.id)",
            "X-Video-Intake-Signature: \(webhook.signature(of: body, time: time))",
            // Without it libcurl would ask before it sends a big body, and wait for the answer.
            "Expect:",
        ] {
            guard let longer = curl_slist_append(headers, header) else { throw .transfer("out of memory") }
            headers = longer
        }
        try Transfer.check(vi_curl_set_headers(handle, headers))

        let code = curl_easy_perform(handle)
        try judge(code, transfer)
    }

    /// What neither a receiver nor a proxy can make libcurl do.
    private func setLimits() throws(DeliveryFailure) {
        try set(CURLOPT_URL, webhook.url)
        try set(CURLOPT_USERAGENT, webhook.agent)
        try set(CURLOPT_PROTOCOLS_STR, "http,https")
        try set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1)
        // The signed body is for the receiver alone.
        try set(CURLOPT_FOLLOWLOCATION, 0)
        // Or libcurl would take one from the environment; the address that is connected to would be the proxy's.
        try set(CURLOPT_PROXY, "")
        try set(CURLOPT_NETRC, Int(CURL_NETRC_IGNORED.rawValue))
        try set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
        try set(CURLOPT_SSL_VERIFYPEER, 1)
        try set(CURLOPT_SSL_VERIFYHOST, 2)
        try set(CURLOPT_CONNECTTIMEOUT_MS, Int(webhook.connectTimeout * 1000))
        try set(CURLOPT_TIMEOUT_MS, Int(webhook.timeout * 1000))
        // No signal handlers, which are the whole process's: https://curl.se/libcurl/c/CURLOPT_NOSIGNAL.html
        try set(CURLOPT_NOSIGNAL, 1)
        // Or a name server that does not answer would be waited for beyond the time limit, and beyond a stop.
        try set(CURLOPT_QUICK_EXIT, 1)
    }

    private func judge(_ code: CURLcode, _ transfer: Transfer) throws(DeliveryFailure) {
        let status = vi_curl_number(handle, CURLINFO_RESPONSE_CODE)
        // The end of an answer may be late, too long or missing: the receiver has said what it had to say.
        if status >= 200 {
            guard status < 300 else { throw .status(status) }
            return
        }
        switch code {
        case CURLE_ABORTED_BY_CALLBACK: throw .stopped
        case CURLE_COULDNT_RESOLVE_HOST: throw .unresolved
        case CURLE_OPERATION_TIMEDOUT:
            guard vi_curl_offset(handle, CURLINFO_PRETRANSFER_TIME_T) > 0 else {
                throw .noConnection(within: min(webhook.connectTimeout, webhook.timeout))
            }
            throw .noAnswer(within: webhook.timeout)
        case CURLE_OK: throw .status(status)
        default:
            if let refused = transfer.refused { throw .refusedAddress("\(refused.address)", use: refused.use) }
            throw .transfer(transfer.complaint ?? String(cString: curl_easy_strerror(code)))
        }
    }

    private func set(_ option: CURLoption, _ value: Int) throws(DeliveryFailure) {
        try Transfer.check(vi_curl_set_number(handle, option, value))
    }

    private func set(_ option: CURLoption, _ value: String) throws(DeliveryFailure) {
        try Transfer.check(vi_curl_set_text(handle, option, value))
    }
}

/// What is decided while one request is under way, by functions that libcurl calls in the thread of the request.
final class Transfer {
    /// Bytes of an answer, its headers included, that are read before the rest is refused. None of them is kept.
    static let answerLimit = 64 * 1024

    private let allowsPrivateAddresses: Bool
    private let isStopped: () -> Bool
    private var received = 0
    private var opensSockets = false
    private var lastRefused: (address: IPAddress, use: String)?
    private let errors = UnsafeMutableBufferPointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

    init(allowsPrivateAddresses: Bool, isStopped: @escaping () -> Bool) {
        self.allowsPrivateAddresses = allowsPrivateAddresses
        self.isStopped = isStopped
        errors.initialize(repeating: 0)
    }

    deinit { errors.deallocate() }

    /// An address that was refused, if none was connected to.
    var refused: (address: IPAddress, use: String)? { opensSockets ? nil : lastRefused }

    /// What libcurl says of a failure, in one line; `nil` if nothing.
    var complaint: String? {
        let text = String(decoding: errors.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return text.isEmpty ? nil : String(text.map { $0.isNewline ? " " : $0 })
    }

    /// Has libcurl ask this object, which must outlive the request.
    func attach(to handle: UnsafeMutableRawPointer) throws(DeliveryFailure) {
        let context = Unmanaged.passUnretained(self).toOpaque()
        let check = Self.check
        try check(vi_curl_set_pointer(handle, CURLOPT_ERRORBUFFER, errors.baseAddress))
        try check(vi_curl_set_pointer(handle, CURLOPT_OPENSOCKETDATA, context))
        try check(vi_curl_set_open_socket(handle) { context, _, address in Transfer.at(context).open(address) })
        try check(vi_curl_set_pointer(handle, CURLOPT_XFERINFODATA, context))
        try check(vi_curl_set_progress(handle) { context, _, _, _, _ in Transfer.at(context).isStopped() ? 1 : 0 })
        try check(vi_curl_set_number(handle, CURLOPT_NOPROGRESS, 0))
        try check(vi_curl_set_pointer(handle, CURLOPT_HEADERDATA, context))
        try check(vi_curl_set_receiver(handle, CURLOPT_HEADERFUNCTION) { Transfer.at($3).receive($1 * $2) })
        try check(vi_curl_set_pointer(handle, CURLOPT_WRITEDATA, context))
        try check(vi_curl_set_receiver(handle, CURLOPT_WRITEFUNCTION) { Transfer.at($3).receive($1 * $2) })
    }

    /// No option is one that could as well be missing.
    static func check(_ code: CURLcode) throws(DeliveryFailure) {
        guard code == CURLE_OK else { throw .transfer(String(cString: curl_easy_strerror(code))) }
    }

    private static func at(_ context: UnsafeMutableRawPointer?) -> Transfer {
        Unmanaged.fromOpaque(context!).takeUnretainedValue()
    }

    /// Makes the socket for an address that a name was resolved to, unless it is refused: only here it is known what
    /// will really be connected to, whatever the name is resolved to next.
    private func open(_ address: UnsafeMutablePointer<curl_sockaddr>?) -> Int32 {
        guard let address else { return CURL_SOCKET_BAD }
        if !allowsPrivateAddresses {
            // The member is as long as `addrlen` says, not as its type: https://curl.se/libcurl/c/CURLOPT_OPENSOCKETFUNCTION.html
            let offset = MemoryLayout<curl_sockaddr>.offset(of: \.addr)!
            let bytes = UnsafeRawBufferPointer(
                start: UnsafeRawPointer(address) + offset, count: Int(address.pointee.addrlen))
            guard let target = IPAddress(socketAddress: bytes) else { return CURL_SOCKET_BAD }
            if let use = target.privateUse {
                lastRefused = (target, use)
                return CURL_SOCKET_BAD
            }
        }
        opensSockets = true
        // Programs that the process starts do not inherit it.
        return socket(
            address.pointee.family, address.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue), address.pointee.protocol)
    }

    /// Counts bytes of the answer. Returns how many were taken: libcurl goes on if it is all of them.
    private func receive(_ count: Int) -> Int {
        received += count
        return received <= Self.answerLimit ? count : 0
    }
}

/// Why an event was not delivered.
package enum DeliveryFailure: Error, Equatable, CustomStringConvertible {
    /// The receiver answered, but not with 2xx.
    case status(Int)
    /// There was no connection in time, in seconds.
    case noConnection(within: Double)
    /// There was no answer in time, in seconds.
    case noAnswer(within: Double)
    /// The name of the host has no address.
    case unresolved
    /// The host has no address but those that must not be connected to; this is one of them, and what it is.
    case refusedAddress(String, use: String)
    /// Anything else, in libcurl's words: no connection, no valid certificate, no HTTP.
    case transfer(String)
    /// The deliverer was told to end.
    case stopped

    package var description: String {
        switch self {
        case .status(let status) where 300..<400 ~= status: "redirect refused (\(status))"
        case .status(let status): "status \(status)"
        case .noConnection(let seconds): "no connection within \(Self.text(seconds)) s"
        case .noAnswer(let seconds): "timed out after \(Self.text(seconds)) s"
        case .unresolved: "cannot resolve host"
        case .refusedAddress(let address, let use):
            "address refused: \(address) is private (\(use)); set VIDEO_INTAKE_WEBHOOK_PRIVATE=yes to allow"
        case .transfer(let words): words
        case .stopped: "stopped"
        }
    }

    /// Whether the answer is about this event: other events may fare better at once. All others are about the receiver,
    /// or the way to it: the next event would meet the same. So are 408 and 429, which ask for patience.
    package var isOfTheEvent: Bool {
        guard case .status(let status) = self else { return false }
        return 400..<500 ~= status && status != 408 && status != 429
    }

    private static func text(_ seconds: Double) -> String {
        Int(exactly: seconds).map { "\($0)" } ?? "\(seconds)"
    }
}
