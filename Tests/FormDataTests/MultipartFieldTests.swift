import FormData
import Testing

/// Text fields, and what PHP reads in the headers of a part. The expectations were checked against PHP 8.2.
@Suite("Multipart fields") struct MultipartFieldTests {
    @Test(
        "a name in either quotes, without quotes and with escapes",
        arguments: [
            (#"name="a""#, "a"), ("name='a'", "a"), ("name=a", "a"), ("name=a; x=y", "a"), ("name=a b", "a"),
            (#"name="a;b""#, "a;b"), (#"name="a'b""#, "a'b"), (#"name='a"b'"#, "a\"b"), (#"name="a\"b""#, "a\"b"),
            (#"name="a\";b""#, "a\";b"),
            (#"name='a\'b'"#, "a'b"), (#"name="a\\b""#, #"a\b"#), (#"name=a\\b"#, #"a\b"#), (#"name="a\b""#, #"a\b"#),
            (#"name="a%22b""#, "a%22b"), (#"name="a"#, "a"), (#"name="a" x"#, "a"), (#"NAME="a""#, "a"),
            (#"x=y;name="a""#, "a"), (#"x="name=b"; name=a"#, "a"), (#"name="b"; name="a""#, "a"),
            (#"name==a"#, "a"), (#";;; name=a"#, "a"), (#"name=  "a""#, "a"), ("name=\ta", "a"),
            (#"name="a.b c""#, "a_b_c"), (#"name="  a""#, "a"), (#"name="a[b""#, "a_b"), (#"name="中文""#, "中文"),
        ])
    func names(parameters: String, name: String) throws {
        #expect(try Delivery(part(parameters, "1") + "--b--").whole().form[name] == "1")
    }

    @Test(
        "a part without a usable name is ignored",
        arguments: [
            "", "name", "name=", #"name="""#, #"name="  ""#, "names=a", "name =a", #"name="[a""#, "filename*=a",
            "name\0=a", "\0name=a", #"name="\#0a""#,
        ])
    func noName(parameters: String) throws {
        let form = try Delivery(part(parameters, "1") + part("name=z", "2") + "--b--").whole().form
        var expected = Form()
        expected.merge(body: try URLEncoded.parse("z=2"))
        #expect(form == expected)
    }

    @Test("a NUL ends a field's name as it ends a C string") func nul() throws {
        let form = try Delivery(part("name=a\0b", "1") + "--b--").whole().form
        #expect(form["a"] == "1")
    }

    @Test(
        "arrays are not scalars and the last occurrence wins",
        arguments: [
            ("a", "a", "2"), ("a", "a[]", nil), ("a[]", "a", "2"), ("a[k]", "a[l]", nil), ("a", " a", "2"),
        ] as [(String, String, String?)])
    func repeated(first: String, second: String, value: String?) throws {
        let body = part(#"name="\#(first)""#, "1") + part(#"name="\#(second)""#, "2") + "--b--"
        #expect(try Delivery(body).whole().form["a"] == value)
    }

    @Test(
        "a value is every byte up to the delimiter's line break",
        arguments: [
            "", "0", " ", "\r", "\n", "\r\n", "\r\r", "a\r\n\r\nb", "-", "--", "--b", "--b--", "\r\n--", "\r\n--c",
            "\u{1}",
            "lastModifiedDate 2020年 (中国标准时间)",
        ])
    func values(value: String) throws {
        #expect(try Delivery(part("name=a", value) + "--b--").whole().form["a"] == value)
    }

    @Test(
        "a value that is not UTF-8 or has a NUL is none, and is known as no text",
        arguments: [
            [0xFF, 0x41, 0xE4], [0x41, 0], [0xC1, 0x81], [0xED, 0xBF, 0xBF], [0xF5, 0x80, 0x80, 0x80],
        ] as [[UInt8]])
    func notText(value: [UInt8]) throws {
        let head = Array("--b\r\nContent-Disposition: form-data; name=a\r\n\r\n".utf8)
        let form = try Delivery(head + value + Array("\r\n--b--".utf8)).whole().form
        #expect(form["a"] == nil && form.nonEmpty("a") == nil && form.isNotText("a"))
        // The last value counts, as ever.
        let mended = Delivery(head + value + Array("\r\n".utf8) + Array((part("name=a", "1") + "--b--").utf8))
        #expect(try mended.whole().form["a"] == "1")
    }

    @Test(
        "a file whose name or type is no text is refused",
        arguments: [#"filename="a\#0b.mp4""#, "filename=a\0b.mp4", "filename=v\r\nContent-Type: video\0/mp4"])
    func fileThatIsNotText(parameters: String) throws {
        let body = part("name=f; " + parameters, "x") + "--b--"
        #expect(try Delivery(body).whole().error == .notText(field: "f"))
    }

    @Test(
        "header lines: LF or CRLF, names in any case, folded, the first Content-Disposition counts",
        arguments: [
            "Content-Disposition: form-data; name=a\n\n", "content-disposition:form-data;name=a\r\n\r\n",
            "CONTENT-DISPOSITION: \t form-data; name=a\r\n\n", "X: y\r\nContent-Disposition: form-data; name=a\n\r\n",
            "Content-Disposition: form-data;\r\n x=y:z; name=a\r\n\r\n",
            "Content-Disposition: form-data;\r\n name=a\r\n\r\n", "Content-Disposition: form-data\r\n; name=a\r\n\r\n",
            "junk\r\nContent-Disposition: form-data; name=a\r\n\r\n", ": x\r\nContent-Disposition: x; name=a\r\n\r\n",
            "Content-Disposition: name=a\r\nContent-Disposition: form-data; name=z\r\n\r\n",
            "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=a\r\n\r\n",
            "Content-Disposition: form-data; name=a\r\n\0\r\n",
        ])
    func headers(headers: String) throws {
        let form = try Delivery("--b\r\n\(headers)1\r\n--b--").whole().form
        #expect(form["a"] == "1")
        #expect(form["z"] == nil)
    }

    @Test(
        "a part without Content-Disposition is ignored",
        arguments: ["\r\n", "\n", "Content-Type: a\r\n\r\n", "Content-Disposition : x; name=a\r\n\r\n", "\0\r\n"])
    func noDisposition(headers: String) throws {
        let form = try Delivery("--b\r\n\(headers)1\r\n" + part("name=z", "2") + "--b--").whole().form
        #expect(form["a"] == nil)
        #expect(form["z"] == "2")
    }
}
