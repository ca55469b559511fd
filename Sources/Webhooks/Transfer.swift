import CCurl
import Glibc
import System

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
        try check(
            vi_curl_set_receiver(handle, CURLOPT_HEADERFUNCTION) { Transfer.at($3).receive($1 * $2) })
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
