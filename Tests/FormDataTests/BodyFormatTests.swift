import FormData
import Testing

@Suite("Content types and boundaries") struct BodyFormatTests {
    @Test(
        "the boundary is read by PHP's rules",
        arguments: [
            ("multipart/form-data; boundary=b", "b"), ("multipart/form-data;boundary=\"b c;d,e\"; x", "b c;d,e"),
            ("multipart/form-data; boundary=b;charset=utf-8", "b"), ("multipart/form-data; boundary=b, x", "b"),
            ("multipart/form-data; boundary=b ; charset=utf-8", "b"), ("multipart/form-data; boundary=b c", "b c"),
            ("multipart/form-data; BOUNDARY=b", "b"), ("multipart/form-data; Boundary=B", "B"),
            ("multipart/form-data; Boundary=x; boundary=y", "y"), ("multipart/form-data; boundary = b", " b"),
            ("multipart/form-data; boundary=a=b", "a=b"), ("multipart/form-data; boundary=a\"b", "a\"b"),
            ("multipart/form-data; boundary=--", "--"), ("boundary=\"b\"", "b"),
            ("multipart/form-data; boundary=----WebKitFormBoundary7MA4YW", "----WebKitFormBoundary7MA4YW"),
            ("multipart/form-data", nil), ("multipart/form-data; boundary", nil), ("", nil), ("boundar=b", nil),
            ("multipart/form-data; boundary=\"b", nil), ("multipart/form-data; boundary=", nil),
            ("multipart/form-data; boundary=\"\"", nil), ("multipart/form-data; boundary=;", nil),
            ("a=b; boundary", nil),
        ] as [(String, String?)])
    func boundary(contentType: String, boundary: String?) throws {
        #expect(try BodyFormat.boundary(inContentType: contentType) == boundary.map { Array($0.utf8) })
    }

    @Test("a boundary of at most 70 bytes", arguments: [1, 69, 70, 71, 72, 1000], ["", "\""])
    func boundaryLimit(count: Int, quote: String) throws {
        let boundary = String(repeating: "x", count: count)
        let contentType = "multipart/form-data; boundary=\(quote)\(boundary)\(quote); charset=utf-8"
        if count <= 70 {
            #expect(try BodyFormat.boundary(inContentType: contentType) == Array(boundary.utf8))
            let body = "--\(boundary)\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--\(boundary)--"
            #expect(try Delivery(body, boundary: boundary).whole().form["a"] == "1")
        } else {
            let error = FormError.boundaryTooLong(limit: 70)
            #expect(throws: error) { try BodyFormat.boundary(inContentType: contentType) }
            #expect(throws: error) { try MultipartParser(boundary: Array(boundary.utf8)) }
        }
    }

    @Test(
        "the type ends at a semicolon, a comma or a space, in any case",
        arguments: [
            ("multipart/form-data; boundary=b", .multipart(boundary: [0x62])),
            ("Multipart/Form-Data;boundary=b", .multipart(boundary: [0x62])),
            ("multipart/form-data boundary=b", .multipart(boundary: [0x62])),
            ("application/x-www-form-urlencoded", .urlEncoded),
            ("Application/X-WWW-Form-URLEncoded; charset=UTF-8", .urlEncoded),
            ("application/x-www-form-urlencoded,x", .urlEncoded),
            ("multipart/form-data", .other), ("multipart/form-data; boundary=\"", .other),
            ("multipart/mixed; boundary=b", .other), ("multipart/form-datas; boundary=b", .other),
            ("application/octet-stream", .other), (" multipart/form-data; boundary=b", .other), ("", .other),
        ] as [(String, BodyFormat)])
    func format(contentType: String, format: BodyFormat) throws {
        #expect(try BodyFormat(contentType: contentType) == format)
    }

    @Test("a boundary that is too long matters only for multipart bodies") func formatBoundaryLimit() throws {
        let parameter = "; boundary=" + String(repeating: "x", count: 71)
        #expect(throws: FormError.boundaryTooLong(limit: 70)) {
            try BodyFormat(contentType: "multipart/form-data" + parameter)
        }
        #expect(try BodyFormat(contentType: "text/plain" + parameter) == .other)
    }
}
