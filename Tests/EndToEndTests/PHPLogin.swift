import Foundation
import Testing
import TestSupport

/// A site with the shipped example of a login and a php-fpm of its own.
final class PHPLogin: Sendable {
    let site: NginxSite
    private let fpm: ChildProcess
    private let directory: String

    static let isInstalled = (try? ChildProcess.run("php-fpm8.2", ["-v"]).end) == .exit(0)

    /// - Parameter configure: changes nginx's files, which have the example in them.
    init(configure: (NginxFiles) throws -> Void = { _ in }) throws {
        let url = try makeTemporaryDirectory()
        directory = url.path
        let directory = directory
        let examples = Repository.directory.path + "/nginx/examples/login"
        func example(_ name: String) -> String {
            textOfFile("\(examples)/\(name)").replacing("/var/lib/nginx/", with: "nginx/temporary/")
                .replacing("/run/php/php8.2-fpm.sock", with: "php.sock")
                .replacing("/usr/local/share/video-intake/", with: "\(directory)/")
        }
        site = try NginxSite(.handOff, directory: url) { files in
            try files.requireLogin()
            try files.write("conf.d/video-intake-login.conf", example("http.conf"))
            try files.write(NginxFiles.snippet("login-server"), example("server.conf"))
            try files.addToHTTP("include conf.d/video-intake-login.conf;")
            try configure(files)
        }
        func write(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(directory)/\(name)"))
        }
        try write("login.php", example("login.php"))
        try FileManager.default.createDirectory(atPath: "\(directory)/sessions", withIntermediateDirectories: true)
        try write(
            "fpm.conf",
            """
            [global]
            daemonize = no
            error_log = \(directory)/log/fpm.log
            [shop]
            user = root
            group = root
            listen = \(directory)/php.sock
            pm = static
            pm.max_children = 2
            access.log = \(directory)/log/php.log
            php_admin_value[session.save_path] = \(directory)/sessions
            ; Scripts change within the second here.
            php_admin_value[opcache.enable] = 0

            """)
        fpm = try ChildProcess(
            "php-fpm8.2", ["-F", "-y", "\(directory)/fpm.conf"] + (geteuid() == 0 ? ["-R"] : []),
            environment: ChildProcess.plainEnvironment, directory: directory, output: "\(directory)/log/fpm.out",
            errors: "\(directory)/log/fpm.out")
        // It is there before anybody listens at it.
        try #require(eventually(within: 20) { (try? LocalSocket(connectedTo: "\(directory)/php.sock")) != nil })
    }

    deinit { fpm.stop() }

    func stop() { fpm.stop() }

    /// How often PHP was asked.
    var questions: Int {
        // php-fpm writes the line after the reply.
        var count = -1
        eventually {
            let before = count
            count = textOfFile("\(directory)/log/php.log").split(separator: "\n").count
            usleep(50_000)
            return count == before
        }
        return count
    }

    /// A session as PHP stores it.
    func newSession(user: String?) throws -> String {
        let id = UUID().uuidString.lowercased().replacing("-", with: "")
        try setSession(id, user: user)
        return id
    }

    func setSession(_ id: String, user: String?) throws {
        let text = user.map { "user_id|s:\($0.utf8.count):\"\($0)\";" } ?? ""
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(directory)/sessions/sess_\(id)"))
    }

    /// Changes the shipped script.
    func replaceScript(_ text: String, with other: String) throws {
        let shipped = textOfFile(Repository.directory.path + "/nginx/examples/login/login.php")
        try #require(shipped.contains(text))
        try Data(shipped.replacing(text, with: other).utf8).write(to: URL(fileURLWithPath: "\(directory)/login.php"))
    }
}
