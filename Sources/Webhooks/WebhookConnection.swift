import CCurl
import Model

/// Delivers events to one receiver, over one connection as long as that stays open. To be used by one thread at a time.
///
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
    ///
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
