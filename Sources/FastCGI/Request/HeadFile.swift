import CFastCGI
import CSystem
import Glibc
import System

/// Hands the checked head of a request to libfcgi, which can only read it from a descriptor: a file in memory, one for
/// each accepting thread. Not thread-safe.
struct HeadFile: ~Copyable {
    private let file: Descriptor

    init() throws(SystemError) {
        file = try Descriptor(owning: SystemError.check("memfd_create") { vi_memory_file("fastcgi-head") })
    }

    /// A request which has the parameters of `head` and writes to `connection`. Nil if memory has run out.
    ///
    /// The caller frees it with FCGX_Free(_, 0) and deallocates it. libfcgi never closes the connection: it would do it
    /// with OS_Close, which reads what still comes for as long as it comes in less than 2 s.
    func request(head: RequestHead, connection: Int32) -> UnsafeMutablePointer<FCGX_Request>? {
        let records = head.records
        // What an earlier, longer head left behind the records is never looked at.
        guard records.withUnsafeBytes({ pwrite(file.number, $0.baseAddress, $0.count, 0) }) == records.count,
            lseek(file.number, 0, SEEK_SET) == 0
        else { return nil }
        // On an error FCGX_Accept_r closes the descriptor it reads from, so it gets its own.
        let copy = fcntl(file.number, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { return nil }

        let request = UnsafeMutablePointer<FCGX_Request>.allocate(capacity: 1)
        FCGX_InitRequest(request, -1, 0)
        request.pointee.ipcFd = copy
        // FCGX_Accept_r first ends the request before, and unless it was to be kept closes its connection: ipcFd.
        request.pointee.keepConnection = 1
        // With listen_sock -1 a failure ends in accept(-1) and EBADF instead of waiting for another connection.
        guard FCGX_Accept_r(request) == 0 else {
            request.deallocate()
            return nil
        }
        _ = close(copy)
        request.pointee.ipcFd = connection
        return request
    }
}
