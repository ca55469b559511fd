import FormData
import Testing

@Suite("Multipart limits") struct MultipartLimitTests {
    @Test(
        "at most 64 parts, ignored ones too", arguments: [0, 1, 63, 64, 65, 100],
        ["name=a", "x=y", "name=a; filename=\"\""])
    func parts(count: Int, parameters: String) throws {
        let body = String(repeating: part(parameters, "1"), count: count) + "--b--"
        let outcome = try Delivery(body).whole()
        #expect(outcome.error == (count <= 64 ? nil : .tooManyParts(limit: 64)))
    }

    @Test(
        "at most 8 KiB of headers a part, the empty line included", arguments: [8191, 8192, 8193, 100_000],
        ["\r\n", "\n"])
    func headers(count: Int, newline: String) throws {
        let line = "Content-Disposition: form-data; name=a" + newline
        let filler = count - line.utf8.count - 2 * newline.utf8.count - 3
        let headers = line + "X: " + String(repeating: "x", count: filler) + newline + newline
        #expect(headers.utf8.count == count)
        let delivery = Delivery("--b\r\n" + headers + "1\r\n" + part("name=c", "2") + "--b--")
        for outcome in [try delivery.whole(), try delivery.read([count / 2, count / 2 + 3, 1, 1, 1, 1])] {
            if count <= 8192 {
                #expect(try outcome.form["a"] == "1")
                #expect(try outcome.form["c"] == "2")
            } else {
                #expect(outcome.error == .partHeaderTooLong(limit: 8192))
            }
        }
    }

    @Test("headers that never end are too long, not truncated, from 8 KiB on", arguments: [8191, 8192, 8193])
    func endlessHeaders(count: Int) throws {
        let outcome = try Delivery("--b\r\n" + String(repeating: "x", count: count)).whole()
        #expect(outcome.error == (count < 8192 ? .truncated : .partHeaderTooLong(limit: 8192)))
    }

    @Test("a text field of at most 64 KiB", arguments: [0, 1, 65535, 65536, 65537, 200_000], ["a.b", "a.b[]"])
    func text(count: Int, name: String) throws {
        let value = String(repeating: "x", count: count)
        let delivery = Delivery(part(#"name="\#(name)""#, value) + part("name=c", "2") + "--b--")
        for outcome in [try delivery.whole(), try delivery.read(repeatElement(1000, count: 100))] {
            if count <= 65536 {
                #expect(try outcome.form["a_b"] == (name == "a.b" ? value : nil))
                #expect(try outcome.form["c"] == "2")
            } else {
                #expect(outcome.error == .textTooLong(field: "a_b", limit: 65536))
            }
        }
    }

    @Test("64 fields of 64 KiB each fit") func largestForm() throws {
        let value = String(repeating: "x", count: 65536)
        let body = (0..<64).map { part("name=n\($0)", value) }.joined() + "--b--"
        let form = try Delivery(body).read([], capacity: 65536).form
        #expect((0..<64).allSatisfy { form["n\($0)"]?.utf8.count == 65536 })
    }

    @Test("content that is not kept has no limit", arguments: ["x=y", "name=f; filename=v", "name=f; filename=\"\""])
    func unlimited(parameters: String) throws {
        let body = part(parameters, String(repeating: "x", count: 1_000_000)) + part("name=c", "2") + "--b--"
        #expect(try Delivery(body).whole().form["c"] == "2")
    }

    @Test("limits can be lowered") func lowered() throws {
        var limits = FormLimits.standard
        limits.parts = 2
        limits.partHeaderBytes = 64
        limits.textBytes = 3
        limits.boundaryBytes = 1
        let two = part("name=a", "123") + part("name=c", "456")
        #expect(try Delivery(two + "--b--", limits: limits).whole().form["c"] == "456")
        #expect(
            try Delivery(two + part("name=d", "") + "--b--", limits: limits).whole().error == .tooManyParts(limit: 2))
        #expect(
            try Delivery(part("name=a", "1234") + "--b--", limits: limits).whole().error
                == .textTooLong(field: "a", limit: 3))
        let longName = String(repeating: "n", count: 64)
        #expect(
            try Delivery(part("name=\(longName)", "1") + "--b--", limits: limits).whole().error
                == .partHeaderTooLong(limit: 64))
        #expect(try Delivery("", boundary: "bb", limits: limits).whole().error == .boundaryTooLong(limit: 1))
    }
}
