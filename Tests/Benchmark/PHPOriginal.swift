import Foundation
import Glibc
import TestSupport

/// The PHP that video-intake replaces: php-fpm, memcached and SQLite, with the same requests.
struct PHPOriginal: LookupContestant {
    let name = "PHP original"
    let promise = "nothing verified or synced"

    private static let source = Repository.directory.path + "/Tests/Benchmark/Contestants/php"
    /// What nginx has if nobody says anything.
    private static let defaultBodyBuffer = "16k"
    /// Set and empty: Debian's directory of extensions is not looked at.
    private static let environment = ["PHP_INI_SCAN_DIR": ""]

    var absence: String? {
        let check = "foreach (['memcached', 'pdo_sqlite'] as $name) extension_loaded($name) or print \" $name\";"
        guard let php = try? Self.php(["-r", check]) else { return "no php8.2" }
        guard php.end == .exit(0), php.output.isEmpty else { return "php8.2 lacks\(php.output) \(php.errors)" }
        for (program, flag) in [("php-fpm8.2", "-v"), ("memcached", "-V")] {
            guard let run = try? ChildProcess.run(program, [flag]), run.end == .exit(0) else { return "no \(program)" }
        }
        return nil
    }

    var storage: String? { "upload" }

    func start(in directory: String) throws -> RunningContestant {
        let made = try Self.php([Self.source + "/schema.php", directory + "/video.db"])
        guard made.end == .exit(0) else { throw BenchmarkError("schema.php: \(made.output) \(made.errors)") }
        try FileManager.default.createDirectory(atPath: directory + "/tmp", withIntermediateDirectories: true)

        // Over TCP, as Debian installs it.
        let port = try LocalSocket.freePort()
        let memcached = try startBackend(
            "memcached", ["-u", "root", "-l", "127.0.0.1", "-p", "\(port)", "-U", "0", "-m", "64"], in: directory)
        try waitForBackend(memcached, "memcached", in: directory) { (try? HTTPConnection(port: port)) != nil }
        let fpm = try startBackend(
            "php-fpm8.2",
            [
                "-F", "-R", "-c", Self.source + "/php.ini", "-d", "upload_tmp_dir=\(directory)/tmp", "-p", directory,
                "-y", Self.source + "/php-fpm.conf",
            ], in: directory, environment: Self.environment)
        try waitForBackend(fpm, "php-fpm8.2", in: directory) { access(directory + "/fpm.sock", F_OK) == 0 }

        let nginx = try OtherNginx(
            in: directory, bodyBuffer: Self.defaultBodyBuffer,
            server: """
                        client_max_body_size 5m;
                        location /service/upload/ {
                            fastcgi_pass unix:fpm.sock;
                            fastcgi_param SCRIPT_FILENAME "\(Self.source)/upload.php";
                            fastcgi_param DOCUMENT_URI $document_uri;
                            fastcgi_param REQUEST_METHOD $request_method;
                            fastcgi_param QUERY_STRING $query_string;
                            fastcgi_param CONTENT_TYPE $content_type;
                            fastcgi_param CONTENT_LENGTH $content_length;
                            fastcgi_param UPLOAD_DIR "\(directory)";
                            fastcgi_param MEMCACHED_PORT \(port);
                        }
                """)
        return RunningContestant(port: nginx.port, nginx: [nginx.process], backends: [memcached, fpm])
    }

    func upload(_ client: Client) throws {
        try PageForm.upload(client)
    }

    private static func php(
        _ arguments: [String]
    ) throws -> (end: ChildProcess.End?, output: String, errors: String) {
        try ChildProcess.run(
            "php8.2", ["-c", source + "/php.ini"] + arguments,
            environment: ChildProcess.plainEnvironment.merging(environment) { $1 })
    }
}
