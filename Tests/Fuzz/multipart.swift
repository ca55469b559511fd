// libFuzzer target for MultipartParser; Tests/fuzz builds it together with Sources/FormData.
//
// Input: byte 0 picks the boundary and the limits, byte 1 how the body is cut, the rest is the body.

private let boundaries = ["b", "----WebKitFormBoundary7MA4YWxkTrZu0gW", "--", "xyxyxxyxy"]

private enum Outcome: Equatable {
    case form(Form, content: [UInt8])
    case refused(FormError)
}

/// Traps if the parser breaks a promise of its documentation.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMultipart(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count)
    guard input.count >= 2 else { return 0 }
    let boundary = Array(boundaries[Int(input[0] & 3)].utf8)
    var limits = FormLimits.standard
    if input[0] & 4 != 0 {
        // Within reach of short inputs, and still room for a whole delimiter.
        limits.parts = 3
        limits.partHeaderBytes = 256
        limits.textBytes = 16
    }
    let body = Array(input[2...])
    var seed = UInt32(input[1])

    let whole = outcome(of: body, boundary: boundary, limits: limits, capacity: max(body.count, 1)) { body.count }
    check(whole, body: body, boundary: boundary, limits: limits)
    // About 100 windows at most, which keeps a run short.
    let largest = max(1, body.count / 50, [1, 7, 60, 700][Int(input[1] & 3)])
    let pieces = outcome(of: body, boundary: boundary, limits: limits, capacity: limits.partHeaderBytes) {
        // The generator of C's rand() in POSIX: https://pubs.opengroup.org/onlinepubs/9699919799/functions/rand.html
        seed = seed &* 1_103_515_245 &+ 12345
        return Int(seed >> 16) % (largest + 1)
    }
    require(pieces == whole, "the outcome depends on how the body is cut")
    return 0
}

/// Feeds the parser through a buffer of `capacity` bytes, each window in an allocation of exactly its size, so that the
/// address sanitizer sees a read beyond it.
private func outcome(
    of body: [UInt8], boundary: [UInt8], limits: FormLimits, capacity: Int, nextSize: () -> Int
) -> Outcome {
    do {
        var parser = try MultipartParser(boundary: boundary, limits: limits)
        var content: [UInt8] = []
        var consumed = 0
        var arrived = 0
        var isLast = false
        while !isLast {
            let size = min(nextSize(), body.count - arrived, consumed + capacity - arrived)
            arrived += size
            isLast = arrived == body.count
            let window = UnsafeMutableRawBufferPointer.allocate(byteCount: arrived - consumed, alignment: 1)
            defer { window.deallocate() }
            window.copyBytes(from: body[consumed..<arrived])
            let count = try parser.parse(UnsafeRawBufferPointer(window), isLast: isLast) { content += $0 }
            require((0...window.count).contains(count), "more is consumed than there is")
            require(window.count < capacity || count > 0, "a full buffer is not enough to go on")
            consumed += count
        }
        return .form(try parser.finish(), content: content)
    } catch let error as FormError {
        return .refused(error)
    } catch {
        fatalError("not a FormError: \(error)")
    }
}

private func check(_ outcome: Outcome, body: [UInt8], boundary: [UInt8], limits: FormLimits) {
    guard case .form(let form, let content) = outcome else { return }
    guard let file = form.file, !file.fileName.isEmpty else {
        require(content.isEmpty, "content without a file")
        require(form.file?.content.isEmpty ?? true, "content without a file name")
        return
    }
    require((0...body.count).contains(file.content.lowerBound), "the content begins outside of the body")
    require((0...body.count).contains(file.content.upperBound), "the content ends outside of the body")
    require(Array(body[file.content]) == content, "not the content that was passed on")
    require(!file.fileName.utf8.contains { "/\\".utf8.contains($0) }, "a path")
    require(!containsDelimiter(content, boundary: boundary), "the content goes on behind a delimiter")
    require(body[..<file.content.upperBound].count < body.count, "nothing ends the content")
}

/// Looks line by line, unlike the parser.
private func containsDelimiter(_ content: [UInt8], boundary: [UInt8]) -> Bool {
    let lines = content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    return lines.enumerated().dropFirst().contains { number, line in
        guard line.starts(with: Array("--".utf8) + boundary) else { return false }
        let rest = line.dropFirst(2 + boundary.count)
        if rest.starts(with: "--".utf8) { return true }
        let end = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        guard rest.count - end.count <= Delimiter.maximumPadding, number < lines.count - 1 else { return false }
        return end.isEmpty || end.elementsEqual("\r".utf8)
    }
}

/// Unlike `precondition` it says in an optimised build what is wrong.
private func require(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition { fatalError(message()) }
}
