import Foundation
import Testing
import TestSupport

/// What a site's configuration includes of Debian's nginx.
private enum DebianNginx {
    static let files = ["fastcgi.conf", "snippets/fastcgi-php.conf", "mime.types"]
    static let isInstalled = files.allSatisfy { access("/etc/nginx/\($0)", R_OK) == 0 }
}

extension EndToEnd {
    /// The shipped example of a shop's server, in files as Debian has them, with the login.
    @Suite(
        .enabled(if: PHPLogin.isInstalled, "php-fpm8.2 is not installed (Debian: php8.2-fpm)"),
        .enabled(if: DebianNginx.isInstalled, "/etc/nginx has no files of Debian's"))
    struct Shop {
        /// The shop's server behind Debian's nginx.conf, with paths of the test's own.
        private func shop() throws -> PHPLogin {
            try PHPLogin { files in
                let directory = URL(fileURLWithPath: files.directory).deletingLastPathComponent().path
                for name in DebianNginx.files {
                    try FileManager.default.copyItem(
                        atPath: "/etc/nginx/\(name)", toPath: "\(files.directory)/\(name)")
                }
                for name in ["sites-enabled", "../shop/upload", "../shop/img"] {
                    try FileManager.default.createDirectory(
                        atPath: "\(files.directory)/\(name)", withIntermediateDirectories: true)
                }
                // What the package installs, but for the paths.
                let shipped = textOfFile(Repository.directory.path + "/nginx/snippets/video-intake/site.conf")
                try files.write(
                    NginxFiles.snippet("site"),
                    shipped.replacing("/run/video-intake/", with: "\(directory)/")
                        .replacing("/var/lib/video-intake", with: directory))
                try files.replace(
                    "old_root \"\";", with: "old_root \(directory)/shop;", in: NginxFiles.snippet("site"))
                let example = textOfFile(Repository.directory.path + "/nginx/examples/shop.conf")
                try files.write("sites-enabled/shop", example)
                for (text, other) in [
                    ("listen 80;", "listen 127.0.0.1:\(files.port);"), ("/var/www/shop", "\(directory)/shop"),
                    ("/run/php/php8.2-fpm.sock", "\(directory)/php.sock"),
                ] {
                    try files.replace(text, with: other, in: "sites-enabled/shop")
                }
                // As Debian's, but for what is the machine's.
                let main = files.read(NginxFiles.main)
                let top = try #require(main.range(of: "http {"))
                try files.write(
                    NginxFiles.main,
                    main[..<top.upperBound] + """

                        sendfile on;
                        tcp_nopush on;
                        types_hash_max_size 2048;
                        include mime.types;
                        default_type application/octet-stream;
                        access_log log/access.log;
                        gzip on;
                        proxy_temp_path nginx/temporary/proxy;
                        fastcgi_temp_path nginx/temporary/fastcgi;
                        uwsgi_temp_path nginx/temporary/uwsgi;
                        scgi_temp_path nginx/temporary/scgi;
                        include conf.d/*.conf;
                        include sites-enabled/*;
                        }

                        """)
                for (name, text) in [
                    ("index.php", "<?php echo 'front ', $_SERVER['REQUEST_URI'];"),
                    ("account.php", "<?php session_start(); $_SESSION['user_id'] = 'bob'; echo session_id();"),
                    ("img/logo.png", "logo"), ("upload/old.png", "old picture"),
                    ("upload/index.php", "<?php echo 'not here';"),
                ] {
                    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(directory)/shop/\(name)"))
                }
            }
        }

        @Test func onlyUploadsNeedTheLoginAndTheRestIsAsBefore() throws {
            let shop = try shop()
            func get(_ path: String) throws -> ReceivedReply {
                var request = SentRequest(method: "GET", path)
                request.headers = [("Host", "shop.example.com")]
                return try shop.site.send(request)
            }
            for (path, text, type) in [
                ("/", "front /", "text/html; charset=UTF-8"),
                ("/any/page?x=1", "front /any/page?x=1", "text/html; charset=UTF-8"),
                ("/img/logo.png", "logo", "image/png"), ("/upload/old.png", "old picture", "image/png"),
            ] {
                let reply = try get(path)
                #expect(reply.status == 200 && reply.body == Array(text.utf8), "\(path): \(reply)")
                #expect(reply.headers["content-type"] == type)
            }
            #expect(try get("/upload/").status == 404)
            #expect(try get("/upload/index.php").status == 404)
            #expect(try get("/healthz").code == 1)

            var upload = PageUpload(content: SampleFile(size: 3_000_000).bytes)
            upload.chunkSize = 2 << 20
            func send(_ chunk: Int, _ session: String?) throws -> ReceivedReply {
                var request = upload.request(chunk)
                request.headers = [("Host", "shop.example.com"), ("Origin", "https://shop.example.com")]
                if let session { request.headers.append(("Cookie", "PHPSESSID=\(session)")) }
                return try shop.site.send(request)
            }
            #expect(try send(0, nil).status == 401)
            // The shop's own login, by its own page.
            let session = String(decoding: try get("/account.php").body, as: UTF8.self)
            #expect(try send(0, session).code == 2)
            let done = try send(1, session)
            #expect(done.code == 1)
            upload.owner = "bob"
            #expect(try shop.site.recordCount(upload) == 1)
            let video = try get("/" + #require(done.path))
            #expect(video.body == upload.content && video.headers["content-type"] == "video/mp4")
            #expect(video.headers["content-security-policy"]?.contains("sandbox") == true)
        }
    }
}
