import Testing

@testable import Model

@Suite struct StorageLayoutTests {
    private static let month = "upload/mp4/2026/11"

    @Test(
        "what is made of a file has a directory of its own, whatever its path",
        arguments: [
            ("upload/mp4/2026/11/original/a.mp4", "upload/mp4/2026/11/transcoded/a.mp4"),
            ("upload/mp4/2026/11/original/a.avi", "upload/mp4/2026/11/transcoded/a.avi"),
            ("upload/old.mp4", "upload/transcoded/old.mp4"), ("old.mp4", "transcoded/old.mp4"), ("", ""),
        ])
    func directory(path: String, directory: String) {
        #expect(StorageLayout.results(ofOriginal: path) == directory)
    }

    @Test(
        "a published file is a video's, or of the directory that is published as a whole, or somebody else's",
        arguments: [
            ("original/a.mp4", StorageLayout.Place.original), ("other/a.mp4", .other),
            ("transcoded/a.mp4/7.2/hls/480/init.mp4", .results(in: "\(month)/transcoded/a.mp4/7.2")),
            ("transcoded/a.mp4/7.2/video.mp4", .results(in: "\(month)/transcoded/a.mp4/7.2")),
            ("transcoded/a.mp4/hls/480/init.mp4", .results(in: "\(month)/transcoded/a.mp4")),
            ("transcoded/a.mp4/video.mp4", .results(in: "\(month)/transcoded/a.mp4")),
            ("transcoded/a.mp4/7.2", .results(in: "\(month)/transcoded/a.mp4")),
        ])
    func place(path: String, place: StorageLayout.Place) {
        #expect(StorageLayout.place(of: "\(Self.month)/\(path)") == place)
    }

    @Test("only what looks exactly like a claim's directory is one")
    func claims() {
        for name in ["7", "7.", ".2", "7.2.1", "07.2", "+7.2", "7.2 ", "hls", "video.mp4", ""] {
            #expect(StorageLayout.claim(named: name) == nil, "\(name)")
        }
        let found = StorageLayout.claim(ofResults: "\(Self.month)/transcoded/a.mp4/7.2")
        #expect(found?.above == "\(Self.month)/transcoded/a.mp4" && found?.claim.job == 7 && found?.claim.number == 2)
        #expect(StorageLayout.original(ofResults: found!.above) == "\(Self.month)/original/a.mp4")
        #expect(StorageLayout.original(ofResults: "\(Self.month)/transcoded/a.mp4/7.2") == nil)
    }
}
