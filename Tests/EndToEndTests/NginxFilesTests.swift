import Foundation
import Testing
import TestSupport
import Model

extension EndToEnd {
    /// The shipped files in places where an operator puts them.
    @Suite struct ShippedNginxFiles {
        private static let repository = Repository.directory.path

        /// What operators edit: with a version in it, dpkg would ask about it at each upgrade.
        private static let edited = ["site", "login", "login-server"].map { "nginx/\(NginxFiles.snippet($0))" }

        /// nginx's files and the script that one of them asks.
        private static func versioned() throws -> [String] {
            try ["conf.d", "snippets", "examples"].flatMap { name in
                try FileManager.default.subpathsOfDirectory(atPath: "\(repository)/nginx/\(name)")
                    .map { "nginx/\(name)/\($0)" }
            }.filter { $0.hasSuffix(".conf") || $0.hasSuffix("/login.php") }
        }

        @Test func areOfTheProgramsVersion() throws {
            let version = try ChildProcess.run(NginxSite.binary, ["version"]).output.trimmingCharacters(in: .newlines)
            #expect(version.hasPrefix("video-intake "))
            let names = try Self.versioned()
            #expect(names.count >= 12)
            #expect(Set(names).isSuperset(of: Self.edited))
            for name in names {
                if Self.edited.contains(name) {
                    #expect(!textOfFile("\(Self.repository)/\(name)").contains(version), "\(name)")
                    continue
                }
                let lines = textOfFile("\(Self.repository)/\(name)").split(separator: "\n").prefix(2)
                #expect(lines.contains { $0 == "# \(version)" || $0 == "// \(version)" }, "\(name)")
            }
        }

        @Test func aCheckOfTheConfigurationNamesThoseOfAnotherVersion() throws {
            let directory = try makeTemporaryDirectory()
            defer { try? FileManager.default.removeItem(at: directory) }
            let nginx = directory.path + "/nginx"
            try FileManager.default.createDirectory(atPath: nginx, withIntermediateDirectories: true)
            func check() throws -> (end: ChildProcess.End?, errors: String) {
                let run = try ChildProcess.run(
                    NginxSite.binary,
                    ["config", "check", "--data-directory", directory.path, "--nginx-directory", nginx])
                return (run.end, run.errors)
            }
            // nginx need not be on this machine.
            #expect(try check().end == .exit(0))
            try NginxFiles.copyShipped(to: nginx)
            #expect(try check().end == .exit(0))
            func change(_ name: String, _ text: String) throws {
                try Data(text.utf8).write(to: URL(fileURLWithPath: "\(nginx)/\(name)"))
            }
            // The operator's own, and hand-off turned off.
            for name in ["site", "site-b", "login", "login-server"] {
                try change(NginxFiles.snippet(name), "# mine\n")
            }
            try change(NginxFiles.snippet("handoff"), "")
            #expect(try check().end == .exit(0))
            try change(NginxFiles.http, "# video-intake 0.1.9\n")
            try change(NginxFiles.snippet("upload"), "location / { }\n")
            let (end, errors) = try check()
            #expect(end == .exit(64))
            #expect(errors.contains("\(nginx)/conf.d/video-intake.conf is of video-intake 0.1.9, this is "))
            #expect(errors.contains("\(nginx)/snippets/video-intake/upload.conf is of another version, this is "))
            #expect(errors.split(separator: "\n").count == 2, "\(errors)")
            #expect(errors.components(separatedBy: "install its own, from the package or the sources\n").count == 3)
            // dpkg has kept the one there, and put the package's beside it.
            let upload = "\(nginx)/\(NginxFiles.snippet("upload"))"
            try change(NginxFiles.snippet("upload") + ".dpkg-dist", "")
            #expect(try check().errors.contains(": its own is beside it: mv \(upload).dpkg-dist \(upload)\n"))
        }

        /// Whatever may be uploaded has a type.
        @Test func knowEveryExtensionThatCanBeAllowed() throws {
            let all = VideoFormat.fileExtensions.joined(separator: ",")
            let site = try NginxSite(.handOff, flags: ["--extensions", all])
            defer { site.stop() }
            for name in VideoFormat.fileExtensions {
                let page = PageUpload(fileName: "video.\(name)", content: videoBytes(2000))
                let path = try #require(try site.send(page.request()).path)
                let type = try site.send(SentRequest(method: "GET", "/\(path)")).headers["content-type"]
                #expect(type?.hasPrefix("video/") == true, "\(name): \(type ?? "none")")
            }
        }

        /// The application that has all other addresses lets in whoever it is asked about.
        @Test func aLoginWithoutAnAddressLetsNobodyIn() throws {
            let site = try NginxSite(.handOff) { files in
                try files.requireLogin()
                try files.replace(
                    "include snippets/video-intake/page.conf;",
                    with: """
                        error_page 401 403 = /;
                        recursive_error_pages on;
                        location / {
                            try_files $uri @front;
                        }
                        location @front {
                            return 200 "front";
                        }
                        """, in: NginxFiles.main)
            }
            #expect(try site.send(SentRequest(method: "GET", "/video-intake-logout")).body == Array("front".utf8))
            let upload = PageUpload(content: SampleFile(size: 300_000).bytes)
            func expectRefused(_ reply: ReceivedReply) {
                #expect(reply.status == 401 && reply.code == -4, "\(reply)")
                #expect(reply.headers["x-intake-reason"] == "login")
            }
            expectRefused(try site.send(upload.determineRequest()))
            expectRefused(try site.send(upload.request()))
            let connection = try site.connect()
            try connection.send(upload.request().httpInChunks(of: 100_000))
            expectRefused(try connection.reply())
            #expect(site.incomingFiles().isEmpty && site.publishedFiles().isEmpty)
            #expect(try site.recordCount() == 0)
        }

        /// Version 0.1's, which was included outside of the server.
        private static let firstHTTP = """
            limit_conn_zone $binary_remote_addr zone=video_intake_address:10m;
            map $uri $video_intake_expires {
                default        1h;
                ~/transcoded/  -1;
            }
            """

        @Test func standBesideThoseOfVersion01() throws {
            let site = try NginxSite(.handOff) { files in
                try files.addToHTTP(
                    Self.firstHTTP + """

                        server {
                            listen unix:first.sock;
                            set $video_intake_socket unix:video-intake.sock;
                            set $video_intake_data .;
                            set $video_intake_owner "";
                            location /upload/ { limit_conn video_intake_address 600; expires $video_intake_expires; }
                        }
                        """)
            }
            #expect(site.isHealthy())
        }

        /// Debian's nginx.conf includes the http level as soon as the package is installed.
        @Test func withoutAServerThatUsesThemNginxStarts() throws {
            let site = try NginxSite(.handOff) { files in
                let main = files.read(NginxFiles.main)
                let server = try #require(main.range(of: "    server {"))
                try files.write(
                    NginxFiles.main,
                    main[..<server.lowerBound] + """
                        server {
                            listen 127.0.0.1:\(files.port);
                            location = /healthz { return 200; }
                        }
                        }
                        """)
            }
            #expect(site.isHealthy())
        }

        @Test func twoServersHaveASettingsFileEach() throws {
            let other = try NginxSite(.handOff)
            let otherSocket = other.socketPath
            let site = try NginxSite(.handOff) { files in
                try files.addToSite("set $video_intake_origins one.example.com;")
                try files.write(
                    NginxFiles.snippet("site-two"),
                    """
                    set $video_intake_socket unix:\(otherSocket);
                    set $video_intake_data \(other.dataDirectory.path);
                    set $video_intake_origins two.example.com;
                    set $video_intake_language en;
                    client_body_temp_path \(other.dataDirectory.path)/body;

                    """)
                try files.addToHTTP(
                    """
                    server {
                        listen unix:two.sock;
                        server_name two;
                        include snippets/video-intake/site-two.conf;
                        include snippets/video-intake/upload.conf;
                    }
                    """)
            }
            let two = { try HTTPConnection(unixSocket: site.dataDirectory.path + "/two.sock") }
            let upload = PageUpload(content: SampleFile(size: 5_000).bytes)
            let reply = try two().send(upload.request())
            #expect(reply.code == 1)
            let isIdentical = try other.storedBytes(#require(reply.path)) == upload.content
            #expect(isIdentical)
            #expect(try two().send(SentRequest(method: "GET", "/" + (reply.path ?? ""))).body == upload.content)
            #expect(try site.send(upload.determineRequest()).code == 2)
            // Each has its own list and language.
            for (origin, ours, theirs) in [("one.example.com", 200, 403), ("two.example.com", 403, 200)] {
                var request = upload.determineRequest()
                request.headers = [("Origin", "https://\(origin)")]
                #expect(try site.send(request).status == ours)
                let reply = try two().send(request)
                #expect(reply.status == theirs)
                if theirs == 403 { #expect(reply.message == "Requests from this site are not allowed") }
            }
        }

        @Test func aDiskThatIsMissingKeepsOnlyUploadsFromWorking() throws {
            let directory = try makeTemporaryDirectory()
            // What a disk is mounted at, and the disk.
            let (mountPoint, disk) = (directory.path + "/mounted", directory.path + "/disk")
            for path in [mountPoint, disk] {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            }
            _ = try ChildProcess.run(NginxSite.binary, ["init", "--data-directory", mountPoint])
            let flags = ["--data-directory", mountPoint, "--body-directory", mountPoint + "/body"]
            let site = try NginxSite(.handOff, flags: flags, directory: directory) { files in
                let name = NginxFiles.snippet("site")
                try files.replace("body;", with: "mounted/body;", in: name)
                try files.replace("video_intake_data .;", with: "video_intake_data mounted;", in: name)
            }
            let upload = PageUpload(content: SampleFile(size: 5_000).bytes)
            let path = try #require(try site.send(upload.request()).path)
            // The machine starts again, without the disk.
            site.stop()
            try #require(rename(mountPoint, disk) == 0)
            try FileManager.default.createDirectory(atPath: mountPoint, withIntermediateDirectories: true)
            try site.startNginx()
            func get(_ path: String) throws -> Int { try site.send(SentRequest(method: "GET", path)).status }
            try #require(eventually { (try? get("/")) == 200 })
            let refused = try site.send(upload.request())
            #expect(refused.status == 409 && refused.headers["x-intake-reason"] == "unavailable")
            #expect(try get("/" + path) == 404)
            // It comes, and the responder with it. nginx goes on as it is.
            try FileManager.default.removeItem(atPath: mountPoint)
            try #require(rename(disk, mountPoint) == 0)
            try site.startResponder()
            try site.waitUntilReady()
            #expect(try get("/" + path) == 200)
            #expect(try site.send(PageUpload(content: SampleFile(size: 6_000).bytes).request()).code == 1)
        }

        @Test func metricsAreForThisMachineOnly() throws {
            let site = try NginxSite(.handOff) { files in
                try files.addToSite("set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;")
            }
            for (address, isAllowed) in [
                ("127.0.0.1", true), ("::1", true), ("192.0.2.1", false), ("127.0.0.2", false), ("::2", false),
            ] {
                var request = SentRequest(method: "GET", "/metrics")
                request.headers = [("X-Forwarded-For", address)]
                let reply = try site.send(request)
                #expect((reply.status == 403) != isAllowed, "\(address)")
                // Asked of the responder, whatever that says.
                if isAllowed { #expect(reply.headers["cache-control"] == "no-store") }
            }
        }

        @Test func redirectsNameNoHost() throws {
            let site = try EndToEnd.site(.handOff)
            let reply = try site.send(SentRequest(method: "GET", "/play"))
            #expect(reply.status == 301 && reply.headers["location"] == "/play/")
        }
    }
}
