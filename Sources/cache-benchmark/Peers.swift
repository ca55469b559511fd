import Foundation

/// Guava and Caffeine, run in a Java machine of their own from `Peers.java`.
struct Peers {
    private let classes: URL
    private static let libraries = ["/usr/share/java/guava.jar", "/usr/share/java/caffeine.jar"]
    private static let source = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Peers.java")

    static let names = ["guava", "caffeine"]

    /// What is missing, and how to get it.
    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    /// Compiles the Java file into a temporary directory.
    init() throws {
        for library in Self.libraries where !FileManager.default.fileExists(atPath: library) {
            throw Missing(
                description: "no \(library): apt-get install libguava-java libcaffeine-java default-jdk-headless")
        }
        classes = FileManager.default.temporaryDirectory.appending(path: "cache-benchmark-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: classes, withIntermediateDirectories: true)
        _ = try Self.run(
            ["javac", "-cp", Self.libraries.joined(separator: ":"), "-d", classes.path, Self.source.path])
    }

    func remove() {
        try? FileManager.default.removeItem(at: classes)
    }

    /// The lines that one of the Java program's modes prints, without their last word, with that as a number.
    func figures(_ arguments: [String]) throws -> [String: Double] {
        let path = (Self.libraries + [classes.path]).joined(separator: ":")
        let output = try Self.run(["java", "-cp", path, "Peers"] + arguments)
        var figures: [String: Double] = [:]
        for line in output.split(separator: "\n") {
            let words = line.split(separator: " ")
            figures[words.dropLast().joined(separator: " ")] = Double(words.last ?? "")
        }
        return figures
    }

    private static func run(_ command: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Missing(
                description: "\(command[0]) failed: is there a Java machine? apt-get install default-jdk-headless")
        }
        return String(decoding: output, as: UTF8.self)
    }
}
