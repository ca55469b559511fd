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
        .target(name: "ChunkStore", dependencies: ["CDigest", "CSystem", "System"]),
        .target(name: "Catalogue", dependencies: ["Model"]),
        .target(
            name: "SQLiteCatalogue",
            dependencies: ["Catalogue", "Model", "System", .product(name: "GRDB", package: "GRDB.swift")]),
        .target(
            name: "Media",
            dependencies: ["ChunkStore", "CSystem", "System", .product(name: "Logging", package: "swift-log")]),
        .target(
            name: "Webhooks",
            dependencies: [
                "Catalogue", "CCrypto", "CCurl", "Model", "System", .product(name: "Logging", package: "swift-log"),
            ]),
        .target(
            name: "Intake",
            dependencies: [
                "FastCGI", "FormData", "Model", "ChunkStore", "Catalogue", "SQLiteCatalogue", "LoadingCache",
                "System", "Media",
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
                "CSystem", "Catalogue", "ChunkStore", "FastCGI", "Intake", "System", "Media", "Model",
                "SQLiteCatalogue",
                "Webhooks", "Worker",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            // The default linker repeats a warning of the C library about a function in the static Foundation.
            linkerSettings: [.unsafeFlags(["-use-ld=lld"])]),
        .executableTarget(
            name: "cache-benchmark",
            dependencies: [
                "LoadingCache", "CSystem", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            exclude: ["Peers.java"]),
        .executableTarget(
            name: "intake-benchmark",
            dependencies: [
                "FastCGI", "ChunkStore", "TestSupport", "CCrypto", .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tests/Benchmark",
            exclude: ["Contestants", "throughput.svg"],
            linkerSettings: [.unsafeFlags(["-use-ld=lld"])]),

        .target(
            name: "TestSupport",
            dependencies: [
                "Intake", "CCrypto", "ChunkStore", "LoadingCache", "Model", "SQLiteCatalogue", "System",
                .product(name: "Logging", package: "swift-log"), .product(name: "GRDB", package: "GRDB.swift"),
            ],
            path: "Tests/TestSupport"),
        .testTarget(name: "FastCGITests", dependencies: ["FastCGI", "CFastCGI", "CSystem"]),
        .testTarget(name: "FormDataTests", dependencies: ["FormData"]),
        .testTarget(name: "LoadingCacheTests", dependencies: ["LoadingCache"]),
        .testTarget(name: "ModelTests", dependencies: ["Model", "TestSupport"]),
        .testTarget(name: "SystemTests", dependencies: ["System", "TestSupport"]),
        .testTarget(name: "ChunkStoreTests", dependencies: ["ChunkStore", "System", "TestSupport"]),
        .testTarget(
            name: "MediaTests",
            dependencies: [
                "Media", "ChunkStore", "System", "TestSupport", .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "WorkerTests",
            dependencies: [
                "Worker", "SQLiteCatalogue", "ChunkStore", "Intake", "Media", "TestSupport", "Model",
                .product(name: "GRDB", package: "GRDB.swift"), .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "CatalogueTests",
            dependencies: [
                "Catalogue", "Model", "SQLiteCatalogue", "TestSupport", .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        .testTarget(
            name: "WebhooksTests",
            dependencies: [
                "Webhooks", "Catalogue", "SQLiteCatalogue", "System", "Model", "TestSupport",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "IntakeTests",
            dependencies: [
                "Intake", "Catalogue", "ChunkStore", "LoadingCache", "TestSupport", "Model", "SQLiteCatalogue",
                "System",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(name: "CommandTests", dependencies: ["video-intake", "Intake"]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "ChunkStore", "Intake", "System", "TestSupport", "Model",
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where target.type != .system {
    target.swiftSettings = [.treatAllWarnings(as: .error)]
}
