import FormData
import Testing

/// Where parts begin and end.
@Suite("Multipart delimiters") struct MultipartDelimiterTests {
    private static let headers = "Content-Disposition: form-data; name=a\r\n\r\n"

    @Test(
        "the first delimiter starts the body or a line of it",
        arguments: [
            "--b\r\n", "--b\n", "\r\n--b\r\n", "\n--b\n", "preamble\r\n--b\r\n", "--\r\n--b\r\n", "--bb\r\n--b\r\n",
            "-\n--b\r\n", "x--b\r\nContent-Disposition: form-data; name=z\r\n\r\n\n--b\r\n", "--b \t \r\n",
            "\r\r\n--b\r\n",
        ])
    func first(opening: String) throws {
        let form = try Delivery(opening + Self.headers + "1\r\n--b--").whole().form
        #expect(form["a"] == "1")
        #expect(form["z"] == nil)
    }

    @Test(
        "a body without a delimiter is an empty form",
        arguments: ["", "\r\n", "x", "-", "--", "--b", "--b ", "--b\r", "\r\n--b", "--bb\r\n", "x--b\r\n", "a=1&b=2"])
    func none(body: String) throws {
        #expect(try Delivery(body).whole() == .form(Form(), content: []))
    }

    @Test("an empty window may have no address") func emptyWindow() throws {
        var parser = try MultipartParser(boundary: [0x62])
        let window = UnsafeRawBufferPointer(start: nil, count: 0)
        #expect(try parser.parse(window, isLast: false) { _ in } == 0)
        #expect(try parser.parse(window, isLast: true) { _ in } == 0)
        #expect(try parser.finish() == Form())
    }

    @Test(
        "what follows the closing delimiter is ignored",
        arguments: [
            "", "\r\n", "\n", "-", "x", "\r\nepilogue\r\n", "\r\n--b\r\nContent-Disposition: x; name=a\r\n\r\n2\r\n",
        ])
    func epilogue(rest: String) throws {
        #expect(try Delivery(part("name=a", "1") + "--b--" + rest).whole().form["a"] == "1")
        #expect(try Delivery("--b--" + rest).whole() == .form(Form(), content: []))
    }

    @Test(
        "a part ends at LF or CRLF, two dashes, the boundary, and a line end or two dashes",
        arguments: [
            "\r\n--b\r\n", "\n--b\n", "\n--b\r\n", "\r\n--b\n", "\r\n--b \r\n", "\r\n--b\t\n", "\r\n--b--", "\n--b--",
        ])
    func endings(delimiter: String) throws {
        let body = "--b\r\n" + Self.headers + "1" + delimiter + "Content-Disposition: x; name=c\r\n\r\n2\r\n--b--"
        let form = try Delivery(body).whole().form
        #expect(form["a"] == "1")
        #expect(form["c"] == (delimiter.hasSuffix("--") ? nil : "2"))
    }

    @Test(
        "what only looks like a delimiter is content",
        arguments: [
            "\r\n--bX\r\n", "\n--bb\n", "\r\n--b-\r\n", "\r\n--b-x", "\r\n--b \r", "\r\n--b\rx", "\r\n--b\r\r\n",
            "\r\n--b x\r\n",
            "\r\n--b\u{1}\r\n", "\r\n-b\r\n", "\r\n--B\r\n", "\r--b\r\n", "--b\r\n", "x--b--", "\r\n --b--",
            "\r\n---b--",
            "\n\n--bX\n--bX--",
        ])
    func lookalikes(content: String) throws {
        let field = try Delivery(part("name=a", content) + "--b--").whole().form
        #expect(field["a"] == content)

        let delivery = Delivery(part("name=f; filename=v", content) + "--b--")
        let file = try #require(try delivery.whole().form.file)
        #expect(Array(delivery.body[file.content]) == Array(content.utf8))
    }

    @Test("at most 128 bytes of padding", arguments: [0, 1, 127, 128, 129, 1000], [" ", "\t"])
    func padding(count: Int, character: String) throws {
        let line = "\r\n--b" + String(repeating: character, count: count) + "\r\n"
        let body = "--b\r\n" + Self.headers + "1" + line + "Content-Disposition: x; name=c\r\n\r\n2\r\n--b--"
        let form = try Delivery(body).whole().form
        if count <= 128 {
            #expect(form["a"] == "1")
            #expect(form["c"] == "2")
        } else {
            #expect(form["a"]?.hasPrefix("1\r\n--b" + character) == true)
            #expect(form["c"] == nil)
        }
    }

    @Test("a body that ends inside a part is truncated, wherever it is cut") func truncated() throws {
        let body = Array((part("name=a", "1\r\n--bX") + part("name=f; filename=v", "22") + "--b--").utf8)
        // Up to "--b" and a CR nothing shows that a part has begun.
        for end in 0..<body.count {
            let outcome = try Delivery(Array(body[..<end])).whole()
            #expect(outcome == (end < 5 ? .form(Form(), content: []) : .refused(.truncated)), "cut at \(end)")
        }
        #expect(try Delivery(body).whole().form["a"] == "1\r\n--bX")
    }

    @Test("a parser that never saw the end refuses to finish") func unfinished() throws {
        let body = Array("--b\r\n".utf8)
        var parser = try MultipartParser(boundary: [0x62])
        #expect(try body.withUnsafeBytes { try parser.parse($0, isLast: false) { _ in } } == 5)
        #expect(throws: FormError.truncated) { try parser.finish() }
    }

    @Test(
        "any bytes can be a boundary",
        arguments: [
            "b", "-", "--", "----", "'()+_,-./:=? x", "aaaa", "\n", "\n--\n", "\r", "=",
            String(repeating: "-", count: 70),
        ])
    func boundaries(boundary: String) throws {
        let body = "--\(boundary)\r\n" + Self.headers + "1\r\n-\r\n--x\r\n--\(boundary)--"
        let delivery = Delivery(body, boundary: boundary)
        #expect(try delivery.whole().form["a"] == "1\r\n-\r\n--x")
        for split in 0...body.utf8.count { #expect(try delivery.read([split]) == delivery.whole()) }
    }
}
