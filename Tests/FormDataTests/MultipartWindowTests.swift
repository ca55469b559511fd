import FormData
import Testing

/// The outcome is the same however the body is cut into windows.
@Suite("Multipart windows") struct MultipartWindowTests {
    struct Body: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var delivery: Delivery
        var error: FormError?

        init(
            _ description: String, _ text: String, boundary: String = "b", limits: FormLimits = .standard,
            error: FormError? = nil
        ) {
            testDescription = description
            delivery = Delivery(text, boundary: boundary, limits: limits)
            self.error = error
        }
    }

    private static let tight = {
        var limits = FormLimits.standard
        limits.parts = 2
        limits.partHeaderBytes = 60
        limits.textBytes = 8
        return limits
    }()

    static let bodies: [Body] = [
        Body("empty", ""), Body("closing only", "--b--"), Body("not multipart", "a=1\r\n--bb\r\n-"),
        Body("fields", part("name=a", "1") + part("name=c", "") + "--b--\r\n"),
        Body("preamble", "--bX\r\n-\r\n\n" + part("name=a", "1") + "--b--\r\nepilogue\r\n--b\r\n"),
        Body("LF only", "--b\nContent-Disposition: x; name=a\n\n1\n--b\n\n2\n--b--\n"),
        Body(
            "file", part("name=f; filename=v", "\r\n--\r\n--bX\n--b-\r\r\n--b \r\r\n-") + part("name=a", "1") + "--b--"),
        Body("file ends in line breaks", part("name=f; filename=v", "x\r\n\r\n\r") + "--b--"),
        Body(
            "padding", "--b \t\r\nContent-Disposition: x; name=f; filename=v\r\n\r\n\r\n--b  x\r\n--b  \n\r\n\r\n--b--"),
        Body("no file chosen", part(#"name=f; filename="""#, "") + part("name=f; filename=v", "1") + "--b--"),
        Body("long boundary", "--xyxyxxyxy\r\n\r\n\n--xyxyxxyxyx\r\n--xyxyxxyxy--", boundary: "xyxyxxyxy"),
        Body("boundary with line breaks", "--\n--\nA: B\n\n\n--\n--x\n--\n-\n--\n----", boundary: "\n--"),
        Body("truncated in headers", "--b\r\nContent-Dispo", error: .truncated),
        Body("truncated in text", part("name=a", "1") + "--b", error: .truncated),
        Body("truncated in a file", part("name=f; filename=v", "123\r\n--b") + "-", error: .truncated),
        Body(
            "too many parts", "--b\n\n\n--b\n\n\n--b\n\n\n--b--", limits: tight, error: .tooManyParts(limit: 2)),
        Body("long headers", "--b\n" + String(repeating: "h", count: 57) + "\n\n\n--b--", limits: tight),
        Body(
            "too long headers", "--b\n" + String(repeating: "h", count: 59) + "\n\n\n--b--", limits: tight,
            error: .partHeaderTooLong(limit: 60)),
        Body(
            "endless headers", "--b\n" + String(repeating: "h", count: 60), limits: tight,
            error: .partHeaderTooLong(limit: 60)),
        Body("long text", part("name=a", "1234567\r") + "--b--", limits: tight),
        Body(
            "too long text", part("name=a", "12345678\r") + "--b--", limits: tight,
            error: .textTooLong(field: "a", limit: 8)),
        Body(
            "too long text, then truncated", part("name=a", "12345678\r") + "--b-", limits: tight,
            error: .textTooLong(field: "a", limit: 8)),
        Body(
            "two files", part("name=f; filename=v", "1") + part("name=g; filename=w", "2") + "--b--",
            error: .tooManyFiles(limit: 1)),
    ]

    @Test("split in two at every place", arguments: bodies) func everySplit(body: Body) throws {
        let whole = try body.delivery.whole()
        #expect(whole.error == body.error)
        for split in 0...body.delivery.body.count {
            #expect(try body.delivery.read([split]) == whole, "split at \(split)")
            #expect(try body.delivery.read([split], isEndKnown: true) == whole, "split at \(split)")
        }
    }

    @Test("read in equal pieces of every size", arguments: bodies) func everySize(body: Body) throws {
        let whole = try body.delivery.whole()
        for size in 1...max(body.delivery.body.count, 1) {
            let sizes = repeatElement(size, count: body.delivery.body.count)
            #expect(try body.delivery.read(sizes) == whole, "pieces of \(size)")
        }
    }

    @Test("read in pieces of random sizes, some empty", arguments: bodies) func randomSizes(body: Body) throws {
        let whole = try body.delivery.whole()
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<100 {
            let largest = Int.random(in: 1...20, using: &generator)
            let sizes = (0..<200).map { _ in Int.random(in: 0...largest, using: &generator) }
            #expect(try body.delivery.read(sizes, isEndKnown: Bool.random(using: &generator)) == whole, "\(sizes)")
        }
    }

    @Test("a buffer as large as a part's headers is always enough", arguments: [1, 2, 4096, 65535, 65536])
    func smallestBuffer(filler: Int) throws {
        // Each of these keeps as many bytes waiting as there can be.
        let headers = "Content-Disposition: x; name=a\r\nX: " + String(repeating: "x", count: 8192 - 39) + "\r\n\r\n"
        let padded = "\r\n--b" + String(repeating: " ", count: 128)
        let body =
            String(repeating: padded + "x", count: 200) + "\r\n--b\r\n" + headers
            + String(repeating: "y", count: filler) + padded + "\r\n" + headers + "1" + padded + "\r\n"
            + "Content-Disposition: x; name=f; filename=v\r\n\r\n" + String(repeating: padded + "x", count: 200)
            + "\r\n--b--"
        let delivery = Delivery(body)
        let whole = try delivery.whole()
        #expect(try whole.form["a"] == "1")
        #expect(try delivery.read([], capacity: 8192) == whole)
        #expect(try delivery.read([], capacity: 65536) == whole)
    }
}
