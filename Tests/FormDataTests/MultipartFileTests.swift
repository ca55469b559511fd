import FormData
import Testing

/// The file part: its names, its place in the body, and what counts as a file. Checked against PHP 8.2.
@Suite("Multipart files") struct MultipartFileTests {
    @Test(
        "a file name is cut at its last slash or backslash, after unescaping",
        arguments: [
            (#"filename="v.mp4""#, "v.mp4"), ("filename=v.mp4", "v.mp4"), ("filename='v.mp4'", "v.mp4"),
            (#"FileName="v.mp4""#, "v.mp4"), (#"filename="C:\dir\v.mp4""#, "v.mp4"), (#"filename="/a/v.mp4""#, "v.mp4"),
            (#"filename="a\b/v.mp4""#, "v.mp4"), (#"filename="a/b\v.mp4""#, "v.mp4"),
            (#"filename="a\"b.mp4""#, "a\"b.mp4"),
            (#"filename="a\\b.mp4""#, "b.mp4"), (#"filename="a%22b.mp4""#, "a%22b.mp4"),
            (#"filename="a%2Fb.mp4""#, "a%2Fb.mp4"), (#"filename="a;b.mp4""#, "a;b.mp4"), (#"filename="..""#, ".."),
            (#"filename="../../etc/passwd""#, "passwd"), (#"filename="视频.mp4""#, "视频.mp4"), (#"filename="0""#, "0"),
            (#"filename="a b.mp4""#, "a b.mp4"), (#"filename=a b.mp4"#, "a"), (#"filename=" ""#, " "),
            (#"filename="x"; filename="v.mp4""#, "v.mp4"), (#"filename="v.mp4"; filename*=UTF-8''w.mp4"#, "v.mp4"),
        ])
    func fileNames(parameters: String, name: String) throws {
        let delivery = Delivery(part("name=file; " + parameters, "12345") + "--b--")
        guard case .form(let form, let content) = try delivery.whole() else { throw Failure() }
        let file = try #require(form.file)
        #expect(file.fieldName == "file")
        #expect(file.fileName == name)
        #expect(content == Array("12345".utf8))
        #expect(Array(delivery.body[file.content]) == content)
        #expect(form["file"] == nil)
    }

    private struct Failure: Error {}

    @Test(
        "the content type is the header's up to a semicolon",
        arguments: [
            ("Content-Type: video/mp4\r\n", "video/mp4"), ("content-type:video/mp4; codecs=x\n", "video/mp4"),
            ("Content-Type: video/mp4 ;x\r\n", "video/mp4 "), ("Content-Type:\r\n", ""), ("", ""), ("X: y\r\n", ""),
            ("Content-Type: a\r\nContent-Type: b\r\n", "a"), ("Content-Type:\r\n video/mp4\r\n", " video/mp4"),
        ])
    func contentTypes(header: String, type: String) throws {
        let body = "--b\r\nContent-Disposition: form-data; name=f; filename=v\r\n\(header)\r\nx\r\n--b--"
        #expect(try Delivery(body).whole().form.file?.contentType == type)
    }

    @Test(
        "the field's name is keyed as PHP does", arguments: [("a.b", "a_b"), (" a", "a"), ("a b", "a_b"), ("f", "f")])
    func fieldNames(sent: String, key: String) throws {
        let body = part(#"name="\#(sent)"; filename="v""#, "x") + "--b--"
        #expect(try Delivery(body).whole().form.file?.fieldName == key)
    }

    @Test(
        "a file in an array field, or without a usable name, is no file",
        arguments: [
            #"name="f[]""#, #"name="f[k]""#, #"name="f[""#, #"name="f]""#, #"name="[f]""#, #"name="""#, #"name=" ""#,
            "x=y",
        ])
    func unusable(parameters: String) throws {
        let outcome = try Delivery(part(parameters + "; filename=v", "x") + part("name=z", "1") + "--b--").whole()
        #expect(try outcome.form.file == nil)
        guard case .form(let form, let content) = outcome else { return }
        #expect(content.isEmpty)
        #expect(form["z"] == "1")
    }

    @Test("no file chosen: an entry without a name, and its content is not passed on", arguments: ["", "a/", "a\\\\"])
    func noneChosen(fileName: String) throws {
        let body = part(#"name="f"; filename="\#(fileName)""#, "x") + "--b--"
        guard case .form(let form, let content) = try Delivery(body).whole() else { throw Failure() }
        let file = try #require(form.file)
        #expect(file.fieldName == "f")
        #expect(file.fileName == "")
        #expect(file.contentType == "")
        #expect(file.content.isEmpty)
        #expect(content.isEmpty)
    }

    @Test("a file without a name gives way to one with a name, before or after it") func noneBesideOne() throws {
        let none = part(#"name="f"; filename="""#, "")
        let one = part(#"name="g"; filename="v""#, "x")
        for body in [none + one, one + none, none + none + one + none] {
            let file = try Delivery(body + "--b--").whole().form.file
            #expect(file?.fieldName == "g")
            #expect(file?.fileName == "v")
        }
    }

    @Test(
        "one file with a name at most, whatever its field",
        arguments: [
            #"name="f""#, #"name="g""#, #"name="g[]""#, #"name="""#, "x=y",
        ])
    func fileLimit(parameters: String) throws {
        let body = part("name=f; filename=v", "x") + part(parameters + "; filename=w", "y") + "--b--"
        #expect(try Delivery(body).whole().error == .tooManyFiles(limit: 1))
    }

    @Test("no file at all where the limit is 0") func noFileAllowed() throws {
        var limits = FormLimits.standard
        limits.files = 0
        #expect(
            try Delivery(part("name=f; filename=v", "x") + "--b--", limits: limits).whole().error
                == .tooManyFiles(limit: 0))
        #expect(try Delivery(part("name=f", "x") + "--b--", limits: limits).whole().form["f"] == "x")
    }

    @Test("the file may come before, between and after the fields") func order() throws {
        let file = part("name=f; filename=v", "content")
        let fields = [part("name=a", "1"), part("name=c", "2")]
        for place in 0...2 {
            var parts = fields
            parts.insert(file, at: place)
            let delivery = Delivery(parts.joined() + "--b--")
            let form = try delivery.whole().form
            #expect(form["a"] == "1")
            #expect(form["c"] == "2")
            #expect(form.file.map { Array(delivery.body[$0.content]) } == Array("content".utf8))
        }
    }

    @Test("content comes as a piece of the window itself, not a copy") func noCopy() throws {
        let body = Array((part("name=f; filename=v", String(repeating: "x", count: 5000)) + "--b--").utf8)
        try body.withUnsafeBytes { window in
            var parser = try MultipartParser(boundary: [0x62])
            var pieces: [UnsafeRawBufferPointer] = []
            #expect(try parser.parse(window, isLast: true) { pieces.append($0) } == window.count)
            let range = try #require(try parser.finish().file).content
            #expect(pieces.count == 1)
            #expect(pieces.first?.baseAddress == window.baseAddress.map { $0 + range.lowerBound })
            #expect(pieces.first?.count == range.count)
        }
    }

    @Test("an error of the caller's closure comes out of parse") func closureError() throws {
        let body = Array((part("name=f; filename=v", "x") + "--b--").utf8)
        var parser = try MultipartParser(boundary: [0x62])
        #expect(throws: Failure.self) {
            try body.withUnsafeBytes { try parser.parse($0, isLast: true) { _ in throw Failure() } }
        }
    }
}
