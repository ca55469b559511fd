import System
import Testing

@Suite struct TextTests {
    @Test("two digits for each byte")
    func hexadecimal() {
        #expect([0x00, 0x0F, 0xA0, 0xFF].map { UInt8($0) }.hexadecimal == "000fa0ff")
    }

    @Test("of what a stranger has written nothing but text is shown")
    func printable() {
        let text = "影\u{1B}[2J\r\n\u{202E}é\u{2028}"
        #expect(text.printable() == "影\u{FFFD}[2J\u{FFFD}\u{FFFD}\u{FFFD}é\u{FFFD}")
        #expect(text.printable(as: "?", keeping: "\n") == "影?[2J?\n?é?")
        #expect("影é".printable() == "影é")
    }

    @Test(
        "sizes have two decimals at most",
        arguments: [
            (0, "0B"), (1023, "1023B"), (1024, "1K"), (1536, "1.5K"), (1_100_000, "1.05M"), (1 << 30, "1G"),
            (5 << 40, "5120G"),
        ])
    func sizes(bytes: Int, text: String) {
        #expect(sizeText(bytes) == text)
    }
}
