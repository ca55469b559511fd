// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "video-intake",
    products: [
        .executable(name: "video-intake", targets: ["video-intake"]),
        .library(name: "LoadingCache", targets: ["LoadingCache"]),
    ],
    dependencies: [
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        .systemLibrary(name: "CFastCGI", providers: [.apt(["libfcgi-dev"])]),
        .systemLibrary(name: "CCrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CCurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(name: "CDigest"),
        .target(name: "CSystem"),

        .target(name: "FastCGI", dependencies: ["CFastCGI", "CSystem", "System"]),
        .target(name: "FormData", dependencies: ["CSystem", "System"]),
        .target(name: "Model", dependencies: ["System"]),
        .target(name: "LoadingCache", dependencies: ["CSystem"]),
        .target(name: "System", dependencies: ["CSystem"]),
        .target(name: "ChunkStore", dependencies: ["CDigest", "Model", "System"]),
        .target(name: "FileStore", dependencies: ["ChunkStore", "CSystem", "LoadingCache", "Model", "System"]),
        .target(
            name: "FileBackup",
            dependencies: [
                "Catalogue", "ChunkStore", "FileStore", "Model", "SQLiteCatalogue", "System",
            ]),
        .target(name: "Catalogue", dependencies: ["Model", "System"]),
        .target(
            name: "SQLiteCatalogue",
            dependencies: [
                "Catalogue", "Model", "System",
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        .target(
            name: "Maintenance",
            dependencies: [
                "Catalogue", "ChunkStore", "Model", "System",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(
            name: "Media",
            dependencies: [
                "CSystem", "Model", "System",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(
            name: "Webhooks",
            dependencies: [
                "Catalogue", "CCrypto", "CCurl", "Model", "System",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(
            name: "Intake",
            dependencies: [
                "Catalogue", "ChunkStore", "FastCGI", "FormData", "LoadingCache", "Maintenance", "Media", "Model",
                "System",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(
            name: "Worker",
            dependencies: [
                "Catalogue", "ChunkStore", "Media", "Model", "System",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .executableTarget(
            name: "video-intake",
            dependencies: [
                "Catalogue", "ChunkStore", "CSystem", "FastCGI", "FileBackup", "FileStore", "Intake", "Maintenance",
                "Media", "Model", "SQLiteCatalogue", "System", "Webhooks", "Worker",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            // The default linker repeats a warning of the C library about a function in the static Foundation.
            linkerSettings: [.unsafeFlags(["-use-ld=lld"])]),
        .executableTarget(
            name: "cache-benchmark",
            dependencies: [
                "CSystem", "LoadingCache",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            exclude: ["Peers.java"]),
        .executableTarget(
            name: "intake-benchmark",
            dependencies: [
                "CCrypto", "ChunkStore", "FastCGI", "TestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tests/Benchmark",
            exclude: ["Contestants"],
            linkerSettings: [.unsafeFlags(["-use-ld=lld"])]),

        // Tools that know nothing of the service.
        .target(
            name: "TestTools",
            dependencies: ["CFastCGI", .product(name: "Logging", package: "swift-log")],
            path: "Tests/TestTools"),
        // The service in this process and behind nginx, its contract, and its page.
        .target(
            name: "TestSupport",
            dependencies: [
                "Catalogue", "CCrypto", "ChunkStore", "FileStore", "Intake", "LoadingCache", "Media", "Model",
                "SQLiteCatalogue", "System", "TestTools",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/TestSupport"),
        .testTarget(name: "FastCGITests", dependencies: ["CFastCGI", "CSystem", "FastCGI", "TestTools"]),
        .testTarget(name: "FormDataTests", dependencies: ["FormData"]),
        .testTarget(name: "LoadingCacheTests", dependencies: ["LoadingCache"]),
        .testTarget(name: "ModelTests", dependencies: ["Model", "TestTools"]),
        .testTarget(name: "SystemTests", dependencies: ["System", "TestTools"]),
        .testTarget(
            name: "ChunkStoreTests", dependencies: ["ChunkStore", "FileStore", "Model", "System", "TestSupport"]),
        .testTarget(name: "FileStoreTests", dependencies: ["ChunkStore", "FileStore", "System", "TestSupport"]),
        .testTarget(
            name: "MediaTests",
            dependencies: [
                "Media", "Model", "System", "TestTools",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "WorkerTests",
            dependencies: [
                "Catalogue", "ChunkStore", "FileStore", "Intake", "Media", "Model", "SQLiteCatalogue",
                "TestSupport", "Worker",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(name: "CatalogueTests", dependencies: ["Catalogue", "Model", "TestSupport"]),
        .testTarget(
            name: "SQLiteCatalogueTests",
            dependencies: [
                "Catalogue", "Model", "SQLiteCatalogue", "TestSupport",
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        .testTarget(
            name: "WebhooksTests",
            dependencies: [
                "Catalogue", "Model", "SQLiteCatalogue", "System", "TestSupport", "Webhooks",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "IntakeTests",
            dependencies: [
                "ChunkStore", "FileBackup", "FileStore", "Intake", "Maintenance", "Model", "SQLiteCatalogue",
                "System", "TestSupport",
            ]),
        .testTarget(name: "CommandTests", dependencies: ["Intake", "video-intake"]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["ChunkStore", "Model", "TestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where target.type != .system {
    target.swiftSettings = [.treatAllWarnings(as: .error)]
}
