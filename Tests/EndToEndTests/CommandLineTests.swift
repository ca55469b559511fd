import Foundation
import Glibc
import Testing
import TestSupport

extension EndToEnd {
    /// `video-intake` as an administrator uses it.
    @Suite struct CommandLine {
        private func run(
            _ arguments: [String], environment: [String: String] = [:]
        ) throws -> (end: ChildProcess.End?, output: String, errors: String) {
            try ChildProcess.run(
                NginxSite.binary, arguments,
                environment: ChildProcess.plainEnvironment.merging(environment) { _, new in new })
        }

        @Test func versionSaysWhich() throws {
            let result = try run(["version"])
            #expect(result.end == .exit(0))
            #expect(result.output.wholeMatch(of: /video-intake \d+\.\d+\.\d+\n/) != nil)
        }

        /// A flag, a value that it must not have, and what the message says of what is allowed.
        static let wrong: [(flag: String, value: String, allowed: String)] = [
            ("threads", "0", "a whole number from 1 to 1024"),
            ("threads", "1025", "a whole number from 1 to 1024"),
            ("threads", "many", "a whole number from 1 to 1024"),
            ("socket", "", "a path of 1 to 107 bytes"),
            ("socket", String(repeating: "s", count: 108), "a path of 1 to 107 bytes"),
            ("data-directory", "relative/path", "an absolute path"),
            ("body-directory", "body", "an absolute path"),
            ("video-domain", "video.example.com", "http:// or https:// and a host"),
            ("video-domain", "ftp://video.example.com", "http:// or https:// and a host"),
            ("body-limit", "63K", "a size from 64K to 1G"),
            ("body-limit", "2G", "a size from 64K to 1G"),
            ("body-limit", "99999999999999999999G", "a size from 64K to 1G"),
            ("size-limit", "1", "a size from 1M to 1024G"),
            ("size-limit", "5T", "a size from 1M to 1024G"),
            ("chunks-limit", "0", "a whole number from 1 to 1000000"),
            ("extensions", "mp4,exe", "separated by commas"),
            ("extensions", "", "separated by commas"),
            ("time-zone", "Mars/Olympus", "a time zone like Asia/Shanghai"),
            ("reserve", "-1", "auto, or a size"),
            ("durability", "forever", "process or power"),
            ("uploads-limit", "0", "a whole number from 1 to 1000000"),
            ("owner-uploads-limit", "none", "a whole number from 1 to 1000000"),
            ("upload-lifetime", "0", "a whole number of hours from 1 to 8760"),
            ("jobs", "0", "a whole number from 1 to 256"), ("lease-time", "1", "a whole number of seconds from 2"),
            ("profile", "profile.json", "empty, or an absolute path"),
            ("cache-time", "0", "a whole number of milliseconds from 1 to 60000"),
            ("hold-time", "10001", "a whole number of milliseconds from 0 to 10000"),
            ("slow-time", "-1", "a whole number of milliseconds from 0"), ("language", "fr", "one of zh, en"),
            ("transcode", "maybe", "yes or no"),
            ("webhook-url", "cms.example.com", "http:// or https:// and a host"),
            ("webhook-url", "https://cms.example.com/a b", "without spaces"),
            ("webhook-private", "maybe", "yes or no"),
            ("log-level", "loud", "one of trace, debug, info"),
        ]

        @Test(arguments: wrong)
        func aWrongSettingIsOneLine(flag: String, value: String, allowed: String) throws {
            let name = "VIDEO_INTAKE_" + flag.uppercased().replacing("-", with: "_")
            var cases: [([String], [String: String], String)] = [([], [name: value], name)]
            // Swift Argument Parser takes an empty one for none and explains the flag at length.
            if !value.isEmpty { cases.append((["--\(flag)=\(value)"], [:], "--\(flag)")) }
            for command in [["serve"], NginxSite.configCheck] {
                for (arguments, environment, label) in cases {
                    let result = try run(command + arguments, environment: environment)
                    #expect(result.end == .exit(64))
                    // `config check` shows what is in effect beside what is wrong.
                    #expect(result.output.isEmpty == (command.count == 1))
                    let lines = result.errors.split(separator: "\n")
                    #expect(lines.count == 1, "\(result.errors)")
                    let line = String(try #require(lines.first))
                    #expect(line.contains(label) && line.contains("\"\(value)\"") && line.contains(allowed), "\(line)")
                }
            }
        }

        @Test func theSecretOfTheWebhookIsNeededAndNeverShown() throws {
            let (url, secret) = ("https://cms.example.com/hook", "0123456789abcdef")
            let cases: [(url: String, secret: String?, message: String)] = [
                (url, nil, "VIDEO_INTAKE_WEBHOOK_SECRET must be set where WEBHOOK_URL is"),
                (url, "", "VIDEO_INTAKE_WEBHOOK_SECRET must be set where WEBHOOK_URL is"),
                (url, String(secret.dropLast()), "VIDEO_INTAKE_WEBHOOK_SECRET: what it is set to is not allowed"),
                ("https://user:\(secret)@cms.example.com/", secret, "without user:password@"),
                ("https://\(secret)@cms.example.com/", secret, "without user:password@"),
            ]
            for (url, given, message) in cases {
                for command in [["serve"], NginxSite.configCheck] {
                    let result = try run(
                        command + ["--webhook-url", url],
                        environment: given.map { ["VIDEO_INTAKE_WEBHOOK_SECRET": $0] } ?? [:])
                    #expect(result.end == .exit(64) && result.errors.split(separator: "\n").count == 1)
                    #expect(result.errors.contains(message), "\(result.errors)")
                    #expect(!(result.output + result.errors).contains(secret.dropLast()))
                }
            }
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let file = directory.appendingPathComponent("settings")
            let place = "VIDEO_INTAKE_WEBHOOK_URL=\(url)\nVIDEO_INTAKE_DATA_DIRECTORY=\(directory.path)\n"
            try Data("VIDEO_INTAKE_WEBHOOK_SECRET=\(secret)\n\(place)".utf8).write(to: file)
            let right = try run(NginxSite.configCheck + ["--config", file.path])
            #expect(right.end == .exit(0) && right.output.contains("\n# VIDEO_INTAKE_WEBHOOK_SECRET (set)\n"))
            #expect(!(right.output + right.errors).contains(secret))
            // A line that cannot be understood may be meant to be this one.
            try Data("WEBHOOK_SECRET=\(secret)\n".utf8).write(to: file)
            let wrong = try run(["serve", "--config", file.path])
            #expect(wrong.errors.contains("line 1") && !wrong.errors.contains(secret))
            #expect(try run(["serve", "--webhook-secret", secret]).errors.contains("Unknown option"))
        }

        @Test func linesOfTheFileMayEndWithACarriageReturn() throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let file = directory.appendingPathComponent("settings")
            let text = """
                # mine\r
                VIDEO_INTAKE_SIZE_LIMIT=7G\r
                VIDEO_INTAKE_DATA_DIRECTORY=\(directory.path)\r

                """
            try Data(text.utf8).write(to: file)
            let result = try run(NginxSite.configCheck + ["--config", file.path])
            #expect(result.end == .exit(0) && result.output.contains("\nVIDEO_INTAKE_SIZE_LIMIT=7G\n"))
            #expect(result.output.contains("\nVIDEO_INTAKE_DATA_DIRECTORY=\(directory.path)\n"))
        }

        @Test func everyWrongSettingIsNamedAtOnce() throws {
            let result = try run(
                ["serve", "--threads", "x", "--reserve", "y"], environment: ["VIDEO_INTAKE_HOLD_TIME": "z"])
            #expect(result.end == .exit(64))
            #expect(result.errors.split(separator: "\n").count == 3)
        }

        @Test func aFlagWinsOverTheEnvironmentAndThatOverTheFile() throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let file = directory.appendingPathComponent("settings")
            try Data(
                """
                # a comment

                VIDEO_INTAKE_THREADS=11
                VIDEO_INTAKE_HOLD_TIME = 110
                VIDEO_INTAKE_RESERVE="11M"
                VIDEO_INTAKE_DATA_DIRECTORY=\(directory.path)

                """.utf8
            ).write(to: file)
            let result = try run(
                NginxSite.configCheck + ["--config", file.path, "--threads", "33"],
                environment: ["VIDEO_INTAKE_THREADS": "22", "VIDEO_INTAKE_HOLD_TIME": "220"])
            #expect(result.end == .exit(0), "\(result.errors)")
            let lines = result.output.split(separator: "\n").map(String.init)
            for (setting, origin) in [
                ("VIDEO_INTAKE_THREADS=33", "--threads"), ("VIDEO_INTAKE_HOLD_TIME=220", "VIDEO_INTAKE_HOLD_TIME"),
                ("VIDEO_INTAKE_RESERVE=11M", "line 5"), ("VIDEO_INTAKE_CHUNKS_LIMIT=4096", "default"),
            ] {
                let index = try #require(lines.firstIndex(of: setting), "\(setting) in \(result.output)")
                #expect(lines[index - 1].hasPrefix("# ") && lines[index - 1].contains(origin))
            }
            // What it prints is such a file.
            try Data(result.output.utf8).write(to: file)
            let again = try run(NginxSite.configCheck, environment: ["VIDEO_INTAKE_CONFIG": file.path])
            #expect(again.end == .exit(0))
            let settings = { (text: String) in text.split(separator: "\n").filter { !$0.hasPrefix("#") } }
            #expect(settings(again.output) == settings(result.output))
        }

        @Test func mistakesInTheFileAreNamedWithTheirLine() throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let file = directory.appendingPathComponent("settings")
            for (text, expected) in [
                ("\nVIDEO_INTAKE_THREAD=8", "line 2: VIDEO_INTAKE_THREAD: no such setting"),
                ("THREADS=8", "line 1"), ("VIDEO_INTAKE_THREADS", "line 1"), ("VIDEO_INTAKE_THREADS=no", "line 1"),
            ] {
                try Data(text.utf8).write(to: file)
                let result = try run(NginxSite.configCheck + ["--config", file.path])
                #expect(result.end == .exit(64))
                #expect(result.errors.contains(expected) && result.errors.contains(file.path), "\(result.errors)")
            }
            #expect(try run(["serve", "--config", directory.path + "/none"]).end == .exit(64))
            #expect(try run(["serve", "--no-such-flag"]).end == .exit(64))
        }

        /// Every command that has settings, with an option of its own.
        private static let commands = [
            ("video list", "--owner"), ("video show", "--json"), ("video delete", "--yes"), ("job list", "--state"),
            ("job show", "--json"), ("job add", "--all"), ("class add", "--game"), ("gc", "--dry-run"),
            ("check", "--deep"), ("backup", "--catalogue-only"), ("restore", "--above"), ("status", "--json"),
        ]

        @Test(arguments: commands)
        func aCommandsOwnOptionsComeFirst(command: String, option: String) throws {
            let help = try run(command.split(separator: " ").map(String.init) + ["--help"])
            let lines = help.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            let own = try #require(lines.firstIndex { $0.hasPrefix(option) }, "\(help.output)")
            let settings = try #require(lines.firstIndex { $0.hasPrefix("--config") })
            #expect(own < settings)
        }

        @Test(arguments: [true, false])
        func aReaderThatGoesEndsAListQuietly(isIgnored: Bool) throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let site = try InProcessSite(directory: directory, bootID: "b")
            for _ in 0..<300 { _ = try site.catalogue.addClass(name: UUID().uuidString, game: UUID().uuidString) }
            try site.catalogueFile.run(
                (0..<1000).map { number in
                    (
                        """
                        INSERT INTO video_info (video_id, owner, video_name, path, size, duration, md5, create_time,
                            update_time) VALUES (?, '', 'v', ?, 5, 1, 'd', 1, 1)
                        """, [number + 1, "upload/\(number).mp4"]
                    )
                })
            for command in [
                "video list --limit 1000", "video list --limit 1000 --json", "class list", "check", "config check",
            ] {
                // Standard error goes with it, as `2>&1 |` has it; what the command says of itself is in the file.
                let result = try ChildProcess.run(
                    "bash",
                    [
                        "-c",
                        """
                        \(isIgnored ? "trap '' PIPE;" : "") set -o pipefail
                        { "$0" \(command) --data-directory "$1" 2>&1; echo "$?" >"$1/end"; } | head -n 1
                        """, NginxSite.binary, directory.path,
                    ])
                #expect(result.errors == "", "\(command): \(result.errors)")
                #expect(result.output.split(separator: "\n").count == 1, "\(command): \(result.output)")
                let end = textOfFile(directory.path + "/end").trimmingCharacters(in: .newlines)
                // 141: ended by SIGPIPE, as head's other writers are.
                #expect(["0", "1", "141"].contains(end), "\(command): \(end)")
            }
        }

        @Test func classesAreAddedListedAndRemoved() throws {
            let site = try EndToEnd.site(.handOff)
            let data = ["--data-directory", site.dataDirectory.path]
            // While the responder serves.
            let added = try run(["class", "add", "精彩集锦", "--game", "王者荣耀"] + data)
            #expect(added.end == .exit(0))
            let id = try #require(Int(added.output.trimmingCharacters(in: .newlines)))
            let listed = try run(["class", "list"] + data)
            #expect(listed.end == .exit(0) && listed.output.contains("\(id)\t精彩集锦\t王者荣耀\n"))

            var upload = PageUpload(content: SampleFile(size: 4_000).bytes)
            upload.owner = EndToEnd.newOwner()
            upload.overrides = ["class_id": "\(id)"]
            #expect(try site.send(upload.request()).code == 1)
            #expect(try site.send(upload.determineRequest()).data?["game_name"] as? String == "王者荣耀")

            let again = try run(["class", "add", "精彩集锦", "--game", "王者荣耀"] + data)
            #expect(again.end == .exit(1) && !again.errors.isEmpty)
            #expect(try run(["class", "add", ""] + data).end == .exit(64))
            #expect(try run(["class", "remove", "\(id)"] + data).end == .exit(0))
            #expect(try !run(["class", "list"] + data).output.contains("精彩集锦"))
            let gone = try run(["class", "remove", "\(id)"] + data)
            #expect(gone.end == .exit(1) && gone.errors.contains("\(id)"))

            // The responder looks again in the background.
            var known: ReceivedReply?
            try eventually {
                known = try site.send(upload.determineRequest())
                return known?.data?["class_id"] is NSNull
            }
            #expect(known?.code == 1 && known?.data?["class_id"] is NSNull)
            #expect(known?.data?["game_name"] as? String == "")
        }

        @Test func aCatalogueOfALaterVersionIsRefused() throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let arguments = ["--data-directory", directory.path, "--socket", directory.path + "/s", "--reserve", "0"]
            #expect(try run(["init"] + arguments).end == .exit(0))
            #expect(try run(["class", "list"] + arguments).end == .exit(0))
            try CatalogueFile(directory.path + "/video-intake.db").run("INSERT INTO grdb_migrations VALUES ('later')")
            for command in [["serve"], ["class", "list"]] {
                let result = try run(command + arguments)
                #expect(result.end == .exit(1))
                #expect(result.errors.contains("video-intake.db was written by a later version"), "\(result.errors)")
                // Beside what keeps ffprobe in, which each start says.
                let lines = result.errors.split(separator: "\n").filter { !$0.contains("ffprobe is kept in") }
                #expect(lines.count == 1, "\(result.errors)")
            }
            try Data("This is no database, but some text. ".utf8 + Data(count: 4096))
                .write(to: directory.appendingPathComponent("video-intake.db"))
            let result = try run(["serve"] + arguments)
            #expect(result.end == .exit(1) && result.errors.contains("not an SQLite database"), "\(result.errors)")
        }

        @Test func aDirectoryThatCannotBeMadeIsNamed() throws {
            let result = try run(["init", "--data-directory", "/proc/none"])
            #expect(result.end == .exit(1) && result.errors.contains("/proc/none"))
        }

        @Test(.enabled(if: NginxSite.releaseBinary != nil, "the release binary is given by Tests/run"))
        func theReleaseBinaryNeedsOnlyDebiansLibraries() throws {
            let libraries = try ChildProcess.run("ldd", [NginxSite.binary]).output.split(separator: "\n")
            #expect(!libraries.isEmpty)
            for line in libraries {
                let isSystems =
                    line.contains("linux-vdso.so") || line.contains("/lib64/ld-linux")
                    || line.contains(/=> (\/usr)?\/lib\//)
                #expect(isSystems, "\(line)")
                #expect(!line.contains("swift") && !line.contains("Foundation") && !line.contains("libicu"), "\(line)")
            }
        }
    }
}
