import Foundation

/// nginx's configuration of a site: the shipped files, with a site.conf of the test's own, as `nginx/run` has them.
package struct NginxFiles: Sendable {
    /// The directory that stands for /etc/nginx.
    package let directory: String
    /// The port that the site's server listens on.
    package let port: UInt16

    /// What stands for the owner that an application would name.
    private static let ownerVariable = "$http_\(SentRequest.ownerHeader.lowercased().replacing("-", with: "_"))"
    /// The shipped files.
    package static let source = Repository.directory.path + "/nginx"
    /// The http level.
    package static let http = "conf.d/video-intake.conf"
    package static let main = "nginx.conf"

    /// The path of a snippet, below the directory.
    package static func snippet(_ name: String) -> String { "snippets/video-intake/\(name).conf" }

    init(for site: NginxSite) throws {
        directory = site.dataDirectory.path + "/nginx"
        port = site.port
        try Self.copyShipped(to: directory)
        try FileManager.default.createSymbolicLink(
            atPath: "\(directory)/html", withDestinationPath: "\(Self.source)/html")
        if site.mode == .stream { try write(Self.snippet("handoff"), "") }
        try write(
            Self.snippet("site"),
            """
            set $video_intake_socket unix:video-intake.sock;
            set $video_intake_data .;
            set $video_intake_owner \(Self.ownerVariable);
            set $video_intake_html nginx/html;
            client_body_temp_path body;

            """)
        try write(
            Self.main, textOfFile("\(Self.source)/development.conf.template").replacing("@PORT@", with: "\(port)"))
    }

    /// Copies the shipped files, with logs in a directory of the tests'.
    package static func copyShipped(to directory: String) throws {
        for name in ["conf.d", "snippets"] {
            try FileManager.default.copyItem(atPath: "\(source)/\(name)", toPath: "\(directory)/\(name)")
        }
        let upload = "\(directory)/\(snippet("upload"))"
        let text = textOfFile(upload).replacing("/var/log/nginx/", with: "log/")
        try Data(text.utf8).write(to: URL(fileURLWithPath: upload))
    }

    package func read(_ name: String) -> String { textOfFile("\(directory)/\(name)") }

    package func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(directory)/\(name)"))
    }

    /// Replaces a text that must be there.
    package func replace(_ text: String, with other: String, in name: String) throws {
        let before = read(name)
        guard before.contains(text) else { throw NotReady("\(name) has no \(text)") }
        try write(name, before.replacing(text, with: other))
    }

    /// Adds lines to the site's settings.
    package func addToSite(_ lines: String) throws {
        try write(Self.snippet("site"), read(Self.snippet("site")) + lines + "\n")
    }

    /// Adds directives to the site's server, below its other includes.
    package func addToServer(_ lines: String) throws {
        let include = "include snippets/video-intake/page.conf;"
        try replace(include, with: "\(include)\n\(lines)", in: Self.main)
    }

    /// Adds directives to the http level, below the shipped ones.
    package func addToHTTP(_ lines: String) throws {
        let include = "include \(Self.http);"
        try replace(include, with: "\(include)\n\(lines)", in: Self.main)
    }

    /// Puts the line of login.conf that names an owner per user into effect.
    package func requireLogin() throws {
        let login = Self.snippet("login")
        try replace("#auth_request /video-intake-login; a", with: "auth_request /video-intake-login; a", in: login)
        try replace("set $video_intake_owner \(Self.ownerVariable);", with: "", in: Self.snippet("site"))
    }

    /// A login whose service lets in whoever says an owner.
    func authenticate() throws {
        try requireLogin()
        let servicePort = try LocalSocket.freePort()
        try write(
            Self.snippet("login-server"),
            """
            location = /video-intake-login {
                internal;
                proxy_pass http://127.0.0.1:\(servicePort);
                proxy_pass_request_body off;
                proxy_set_header Content-Length "";
                client_max_body_size 0;
            }
            """)
        try addToHTTP(
            """
            server {
                listen 127.0.0.1:\(servicePort);
                location / {
                    if (\(Self.ownerVariable) = "") { return 401; }
                    add_header X-Video-Intake-Owner \(Self.ownerVariable);
                    return 204;
                }
            }
            """)
    }
}
