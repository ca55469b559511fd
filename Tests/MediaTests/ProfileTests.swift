import Foundation
import Testing
import TestTools

@testable import Media

/// What a profile may say, and what comes of its commands.
@Suite struct ProfileTests {
    private func profile(_ json: String) throws(TranscodingProfileError) -> TranscodingProfile {
        try TranscodingProfile(json: Data(json.utf8))
    }

    @Test("the example in the documentation is the defaults, and so is an empty profile")
    func example() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Sources/Media/Transcode/TranscodingProfile.swift")
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
            $0.hasPrefix("/// ") ? String($0.dropFirst(4)) : String($0)
        }
        let start = try #require(lines.firstIndex(of: "```json"))
        let end = try #require(lines.dropFirst(start + 1).firstIndex(of: "```"))
        let json = lines[(start + 1)..<end].joined(separator: "\n")
        #expect(try profile(json) == TranscodingProfile())
        #expect(try profile("{}") == TranscodingProfile())
    }

    @Test("what a profile says is taken over")
    func values() throws {
        let profile = try profile(
            #"""
            {"outputs": ["poster", "hls"], "preset": "slow",
             "renditions": [{"height": 360, "crf": 30, "videoBitRate": 400000, "audioBitRate": 64000}],
             "thumbnails": {"interval": 2.5, "width": 120}, "commands": [["cp", "{input}", "{output}/a{duration}{}"]]}
            """#)
        #expect(profile.outputs == [.poster, .hls] && profile.preset == .slow)
        #expect(profile.renditions.map(\.height) == [360] && profile.thumbnails.interval == 2.5)
        #expect(profile.commands == [["cp", "{input}", "{output}/a{duration}{}"]])
    }

    @Test(
        "what is wrong is named with its place and what is allowed",
        arguments: [
            (#"{"output": []}"#, "output: there is no such key; there are outputs, preset, mp4"),
            (
                #"{"outputs": ["mp4", "mp5"]}"#,
                "outputs: this value is not allowed: it must be a list of some of mp4, hls"
            ),
            (#"{"outputs": []}"#, "outputs: this value"),
            (#"{"preset": "placebo"}"#, "preset: this value is not allowed: it must be one of ultrafast"),
            (#"{"preset": 3}"#, "preset: is of another kind"),
            (
                #"{"mp4": {"height": 720, "crf": 52, "videoBitRate": 1000000, "audioBitRate": 64000}}"#,
                "mp4.crf: this value"
            ),
            (#"{"mp4": {"height": 720}}"#, "mp4: \"crf\" is missing"),
            (
                #"{"renditions": [{"height": 720, "crf": 20, "videoBitRate": 1000000, "audioBitRate": 64000, "x": 1}]}"#,
                "renditions[0].x: there is no such key"
            ),
            (
                #"{"renditions": [{"height": 721, "crf": 20, "videoBitRate": 1000000, "audioBitRate": 64000}]}"#,
                "renditions[0].height: this value is not allowed: it must be an even number from 144 to 4320"
            ),
            (#"{"renditions": []}"#, "renditions: this value"),
            (#"{"thumbnails": {"interval": 0, "width": 100}}"#, "thumbnails.interval: this value"),
            (#"{"thumbnails": {"interval": 1, "width": 1e9}}"#, "thumbnails.width: this value"),
            (#"{"commands": [[]]}"#, "commands: this value"),
            (#"{"commands": [["cp", "{name}"]]}"#, "commands: this value is not allowed: it must be a list of"),
            (#"{"commands": [["cp", "a\u0000b"]]}"#, "commands: this value"),
            (#"{"commands": ["rm -rf"]}"#, "commands[0]: is of another kind"),
            ("[]", "the profile: is of another kind"), ("{", "the profile: "), ("", "the profile: "),
        ])
    func wrong(json: String, message: String) {
        let error = #expect(throws: TranscodingProfileError.self) { try profile(json) }
        #expect(error?.description.hasPrefix(message) == true, "\(error?.description ?? "")")
    }

    @Test("a profile that is too long is refused")
    func long() {
        #expect(throws: TranscodingProfileError.self) { try profile("{" + String(repeating: " ", count: 70_000) + "}") }
    }

    @Test("commands run in the directory, with their values, without a shell; what they leave is part of the result")
    func commands() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("it's; $(touch x) {output}.mp4", seconds: 1, sound: false)
        var profile = Workshop.quick(.mp4)
        profile.commands = [
            ["cp", "{input}", "{output}/copy"], ["sh", "-c", "pwd >where; echo $1 >>where", "", "{duration}"],
        ]
        _ = try workshop.run(source, .mp4, profile: profile)
        #expect(try workshop.text("work/where") == "\(workshop.work)\n1.0\n")
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: workshop.path("work/copy")))
                == Data(contentsOf: URL(fileURLWithPath: source)))
    }

    @Test("a command that fails fails the video, with its last words, in printable text")
    func failing() throws {
        let workshop = try Workshop()
        let source = try workshop.makeVideo("source.mp4", seconds: 1, sound: false)
        var profile = Workshop.quick(.mp4)
        profile.commands = [["sh", "-c", "printf 'no \\033[31mluck\\n' >&2; exit 9"]]
        let error = workshop.failure(source, .mp4, profile: profile)
        #expect(error == TranscodingError(.toolFailed, "sh ended with 9", output: "no ?[31mluck"))
    }
}
