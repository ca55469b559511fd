// libFuzzer target for URLEncoded and BodyFormat; Tests/fuzz builds it together with Sources/FormData.
//
// Input: byte 0 picks the limits, the rest is a query and also a Content-Type.

/// Traps if a parser breaks a promise of its documentation.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzURLEncoded(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count)
    guard let first = input.first else { return 0 }
    var limits = FormLimits.standard
    if first & 1 != 0 {
        // Within reach of short inputs.
        limits.parts = 4
        limits.partHeaderBytes = 8
        limits.textBytes = 16
        limits.boundaryBytes = 8
    }
    let bytes = Array(input.dropFirst())
    checkQuery(bytes, limits: limits)
    checkContentType(String(decoding: bytes, as: UTF8.self), limits: limits)
    return 0
}

/// A query is the merger of its halves, wherever it is cut at a `&`.
private func checkQuery(_ query: [UInt8], limits: FormLimits) {
    let whole = parse(query[...], limits: limits)
    require(parse("&".utf8 + query + "&&".utf8, limits: limits) == whole, "an empty pair counts")
    for cut in query.indices where query[cut] == UInt8(ascii: "&") {
        let head = parse(query[..<cut], limits: limits)
        let tail = parse(query[(cut + 1)...], limits: limits)
        switch whole {
        case .success(let form):
            guard case .success(var merged) = head, case .success(let tail) = tail else {
                fatalError("half a query is refused")
            }
            merged.merge(body: tail)
            require(merged == form, "a query is not its halves")
        case .failure(.tooManyParameters):
            break
        case .failure(let error):
            if case .failure(let headError) = head { require(headError == error, "another error") }
            if case .success = head { require(tail == whole, "both halves pass, the whole does not") }
        }
    }
}

private func parse(_ query: some Sequence<UInt8>, limits: FormLimits) -> Result<Form, FormError> {
    // An allocation of exactly this size lets the address sanitizer see a read beyond it.
    let query = Array(query)
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: query.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: query)
    return Result { () throws(FormError) in try URLEncoded.parse(UnsafeRawBufferPointer(copy), limits: limits) }
}

private func checkContentType(_ contentType: String, limits: FormLimits) {
    guard case .multipart(let boundary)? = try? BodyFormat(contentType: contentType, limits: limits) else { return }
    require((1...limits.boundaryBytes).contains(boundary.count), "a boundary of \(boundary.count) bytes")
    _ = try! MultipartParser(boundary: boundary, limits: limits)
}

/// Unlike `precondition` it says in an optimised build what is wrong.
private func require(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition { fatalError(message()) }
}
