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
        .systemLibrary(name: "CPlatform"),
        .target(name: "CDigest"),
        .target(name: "CSystem"),

        .target(name: "FastCGI", dependencies: ["CFastCGI", "CPlatform"]),
        .target(name: "FormData", dependencies: ["CPlatform"]),
        .target(name: "Uploads", dependencies: ["System"]),
        .target(name: "LoadingCache", dependencies: ["CPlatform"]),
        .target(name: "System", dependencies: ["CPlatform", "CSystem"]),
        .target(name: "ChunkStore", dependencies: ["CCrypto", "CDigest", "CPlatform", "System"]),
        .target(name: "Catalogue", dependencies: ["System", "Uploads", .product(name: "GRDB", package: "GRDB.swift")]),
        .target(
            name: "Transcoding",
            dependencies: ["ChunkStore", "CPlatform", "System", .product(name: "Logging", package: "swift-log")]),
        .target(
            name: "Webhooks",
            dependencies: ["Catalogue", "CCrypto", "CCurl", "System", .product(name: "Logging", package: "swift-log")]),
        .target(
            name: "IntakeService",
            dependencies: [
                "FastCGI", "FormData", "Uploads", "ChunkStore", "Catalogue", "LoadingCache", "CPlatform", "System",
                "Transcoding",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(
            name: "Worker",
            dependencies: [
                "Catalogue", "ChunkStore", "Transcoding", "Uploads", "System",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .executableTarget(
            name: "video-intake",
            dependencies: [
                "CPlatform", "IntakeService", "System", "Transcoding", "Uploads", "Webhooks", "Worker",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            // The default linker repeats a warning of the C library about a function in the static Foundation.
            linkerSettings: [.unsafeFlags(["-use-ld=lld"])]),
        .executableTarget(
            name: "cache-benchmark",
            dependencies: [
                "LoadingCache", "CPlatform", .product(name: "ArgumentParser", package: "swift-argument-parser"),
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
                "IntakeService", "Catalogue", "CCrypto", "ChunkStore", "LoadingCache", "System",
                .product(name: "Logging", package: "swift-log"), .product(name: "GRDB", package: "GRDB.swift"),
            ],
            path: "Tests/TestSupport"),
        .testTarget(name: "FastCGITests", dependencies: ["FastCGI", "CFastCGI", "CPlatform"]),
        .testTarget(name: "FormDataTests", dependencies: ["FormData"]),
        .testTarget(name: "LoadingCacheTests", dependencies: ["LoadingCache"]),
        .testTarget(name: "UploadsTests", dependencies: ["Uploads", "TestSupport"]),
        .testTarget(name: "SystemTests", dependencies: ["System", "TestSupport"]),
        .testTarget(name: "ChunkStoreTests", dependencies: ["ChunkStore", "System", "TestSupport"]),
        .testTarget(
            name: "TranscodingTests",
            dependencies: [
                "Transcoding", "ChunkStore", "System", "TestSupport", .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "WorkerTests",
            dependencies: [
                "Worker", "Catalogue", "ChunkStore", "IntakeService", "Transcoding", "TestSupport", "Uploads",
                .product(name: "GRDB", package: "GRDB.swift"), .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "CatalogueTests",
            dependencies: ["Catalogue", "Uploads", "TestSupport", .product(name: "GRDB", package: "GRDB.swift")]),
        .testTarget(
            name: "WebhooksTests",
            dependencies: [
                "Webhooks", "Catalogue", "System", "Uploads", "TestSupport",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "IntakeServiceTests",
            dependencies: [
                "IntakeService", "Catalogue", "ChunkStore", "LoadingCache", "TestSupport", "Uploads",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(name: "CommandTests", dependencies: ["video-intake", "IntakeService"]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "ChunkStore", "IntakeService", "System", "TestSupport", "Uploads",
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where target.type != .system {
    target.swiftSettings = [.treatAllWarnings(as: .error)]
}
