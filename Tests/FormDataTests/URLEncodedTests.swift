import FormData
import Testing

@Suite("Query strings and urlencoded bodies") struct URLEncodedTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var input: String
        var name: String
        var value: String?

        init(_ input: String, _ name: String, _ value: String?) {
            self.input = input
            self.name = name
            self.value = value
        }

        var testDescription: String { input }
    }

    @Test(
        "pairs split at & and at the first =",
        arguments: [
            Case("a=1&b=2", "a", "1"), Case("a=1&b=2", "b", "2"), Case("a", "a", ""), Case("a=", "a", ""),
            Case("a==b", "a", "=b"), Case("&&a=1&", "a", "1"), Case("=x&a=1", "a", "1"), Case("=x", "", nil),
            Case("", "a", nil), Case("a=1;b=2", "a", "1;b=2"), Case("a=1&a=2", "a", "2"), Case("a=1&a", "a", ""),
        ])
    func pairs(_ test: Case) throws {
        #expect(try URLEncoded.parse(test.input)[test.name] == test.value)
    }

    @Test(
        "+ is a space, %XX a byte, and a bad escape stays as it is",
        arguments: [
            Case("a=b+c", "a", "b c"), Case("a=%2B", "a", "+"), Case("a=%2b", "a", "+"), Case("a=%26%3D", "a", "&="),
            Case("a=%", "a", "%"), Case("a=%4", "a", "%4"), Case("a=%zz", "a", "%zz"), Case("a=%4g", "a", "%4g"),
            Case("a=%%41", "a", "%A"), Case("a=%2525", "a", "%25"), Case("a=b%01c", "a", "b\u{1}c"),
            Case("%61=1", "a", "1"), Case("a%3Db=1", "a=b", "1"), Case("a%zz=1", "a%zz", "1"),
            Case("a=%E4%B8%AD%E6%96%87", "a", "中文"), Case("a=中文", "a", "中文"),
            Case("%FF=1", "\u{FFFD}", "1"),
        ])
    func escapes(_ test: Case) throws {
        #expect(try URLEncoded.parse(test.input)[test.name] == test.value)
    }

    // The expectations are what parse_str of PHP 8.2 does with the same input.
    @Test(
        "names become PHP's variable names",
        arguments: [
            Case("+a=1", "a", "1"), Case("++a+b.c=1", "a_b_c", "1"), Case("+a+=1", "a_", "1"),
            Case(".a=1", "_a", "1"), Case("a..b[=1", "a__b_", "1"), Case("\ta=1", "\ta", "1"),
            Case("a%00b=1", "a", "1"), Case("%00a=1", "", nil), Case("%00a=1", "a", nil), Case("+%00=1", "", nil),
            Case("a[=1", "a_", "1"), Case("a[b.c+d[e=1", "a_b_c_d_e", "1"), Case("a]=1", "a]", "1"),
            Case("a[x%00]=1", "a_x", "1"), Case("[=1", "_", nil), Case("[a=1", "_a", nil), Case("[a]=1", "a", nil),
            Case("++=1", "", nil), Case("a[b=1&a_b=2", "a_b", "2"),
        ])
    func names(_ test: Case) throws {
        #expect(try URLEncoded.parse(test.input)[test.name] == test.value)
    }

    @Test(
        "an array is not a scalar, and the last occurrence wins",
        arguments: [
            Case("a[]=1", "a", nil), Case("a[k]=1", "a", nil), Case("a[k][l]=1", "a", nil), Case("a[[b]=1", "a", nil),
            Case("a.b[c.d]=1", "a_b", nil), Case("a[x]%00=1", "a", nil), Case("a%5B%5D=1", "a", nil),
            Case("a[]x=1", "a", nil), Case("a[]=1", "a[]", nil), Case("a=1&a[]=2", "a", nil),
            Case("a[]=1&a=2", "a", "2"),
        ])
    func arrays(_ test: Case) throws {
        #expect(try URLEncoded.parse(test.input)[test.name] == test.value)
    }

    @Test("at most 64 parameters, empty pairs not counted", arguments: [0, 1, 63, 64, 65, 66])
    func parameterLimit(count: Int) throws {
        let query = "&&" + (0..<count).map { "n\($0)=\($0)" }.joined(separator: "&&")
        if count <= 64 {
            let form = try URLEncoded.parse(query)
            #expect(form["n\(count - 1)"] == (count > 0 ? "\(count - 1)" : nil))
        } else {
            #expect(throws: FormError.tooManyParameters(limit: 64)) { try URLEncoded.parse(query) }
        }
    }

    @Test("a parameter counts even if it is ignored or comes again")
    func everyPairCounts() throws {
        let query = String(repeating: "a=1&", count: 32) + String(repeating: "=1&", count: 32)
        #expect(try URLEncoded.parse(query)["a"] == "1")
        #expect(throws: FormError.tooManyParameters(limit: 64)) { try URLEncoded.parse(query + "b=1") }
    }

    @Test("a decoded value of at most 64 KiB", arguments: ["x", "%41", "+"], [0, 1, 65535, 65536, 65537])
    func valueLimit(unit: String, count: Int) throws {
        let query = "b=1&a.b=" + String(repeating: unit, count: count)
        if count <= 65536 {
            #expect(try URLEncoded.parse(query)["a_b"]?.utf8.count == count)
        } else {
            #expect(throws: FormError.textTooLong(field: "a_b", limit: 65536)) { try URLEncoded.parse(query) }
        }
    }

    @Test("a decoded name of at most 8 KiB", arguments: ["x", "%41"], [8191, 8192, 8193])
    func nameLimit(unit: String, count: Int) throws {
        let query = String(repeating: unit, count: count) + "=1&b=2"
        if count <= 8192 {
            #expect(try URLEncoded.parse(query)["b"] == "2")
        } else {
            #expect(throws: FormError.nameTooLong(limit: 8192)) { try URLEncoded.parse(query) }
        }
    }

    @Test("a body is read like a query, any bytes") func bytes() throws {
        let body: [UInt8] = Array("a=".utf8) + [0xFF, 0x00] + Array("&b=2".utf8) + [0x00]
        let form = try body.withUnsafeBytes { try URLEncoded.parse($0) }
        #expect(form["a"] == nil && form.isNotText("a"))
        #expect(form["b"] == nil && form.isNotText("b") && !form.isNotText("c"))
        #expect(form.file == nil)
        #expect(try URLEncoded.parse(UnsafeRawBufferPointer(start: nil, count: 0)) == Form())
    }
}
