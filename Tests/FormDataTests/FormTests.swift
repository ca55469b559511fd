import FormData
import Testing

@Suite("Form") struct FormTests {
    @Test(
        "PHP's empty() decides what is empty",
        arguments: [
            ("", nil), ("n", nil), ("n=", nil), ("n=0", nil), ("n[]=1", nil),
            ("n=+", " "), ("n=00", "00"), ("n=0.0", "0.0"), ("n=false", "false"), ("n=%00", nil),
        ] as [(String, String?)])
    func emptiness(query: String, value: String?) throws {
        #expect(try URLEncoded.parse(query).nonEmpty("n") == value)
    }

    @Test(
        "the body's parameter hides the query's, an array too, and other parameters stay",
        arguments: [
            ("n=q", "n=b", "b"), ("n=q", "n=", ""), ("n=q", "n[]=b", nil), ("n[]=q", "n=b", "b"),
            ("n=q", "m=b", "q"), ("n=q", "", "q"), ("", "n=b", "b"),
        ] as [(String, String, String?)])
    func bodyWins(query: String, body: String, value: String?) throws {
        var form = try URLEncoded.parse(query + "&only=query")
        form.merge(body: try URLEncoded.parse(body))
        #expect(form["n"] == value)
        #expect(form["only"] == "query")
    }

    @Test("merging brings the body's file") func mergedFile() throws {
        var form = try URLEncoded.parse("file=text")
        let body = try Delivery(part(#"name="file"; filename="v.mp4""#, "12345") + "--b--").whole().form
        form.merge(body: body)
        #expect(form.file?.fileName == "v.mp4")
        #expect(form.file == body.file)
        #expect(form["file"] == "text")
    }

    @Test(
        "an error's text names the limit and its value",
        arguments: [
            (FormError.tooManyParts(limit: 64), "64"), (.tooManyParameters(limit: 64), "64"),
            (.partHeaderTooLong(limit: 8192), "8192"), (.nameTooLong(limit: 8192), "8192"),
            (.textTooLong(field: "guid", limit: 65536), "guid over 65536"), (.boundaryTooLong(limit: 70), "70"),
            (.tooManyFiles(limit: 1), "1"), (.truncated, "closing boundary"),
        ])
    func description(error: FormError, text: String) {
        #expect("\(error)".contains(text))
    }

    @Test("an error's text holds no control characters and only the start of a long field name")
    func cleanDescription() {
        let name = "a\r\nb\u{1B}[31m\u{2028}\u{202E}" + String(repeating: "长", count: 1000)
        let text = "\(FormError.textTooLong(field: name, limit: 1))"
        #expect(text.contains("a??b?[31m??长"))
        #expect(text.unicodeScalars.count < 150)
    }
}
