// swift-tools-version: 6.2
import PackageDescription

// Warnings fail the build where changes are checked, and only there: a newer compiler's new warning
// must not keep a user from building.
let checked: [SwiftSetting] = Context.environment["CI"] == nil ? [] : [.treatAllWarnings(as: .error)]

let settings: [SwiftSetting] =
    checked + [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("ExistentialAny"),
    ]

let package = Package(
    name: "terapi",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "terapi", targets: ["terapi"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(
            url: "https://github.com/apple/swift-configuration", from: "1.4.0",
            traits: [.defaults, "CommandLineArguments"]),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CJavaScriptCore",
            pkgConfig: "javascriptcoregtk-4.1",
            providers: [.apt(["libjavascriptcoregtk-4.1-dev"])]
        ),
        .systemLibrary(
            name: "CZlib",
            pkgConfig: "zlib",
            providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]
        ),
        .systemLibrary(
            name: "CSQLite",
            pkgConfig: "sqlite3",
            providers: [.apt(["libsqlite3-dev"])]
        ),
        .target(
            name: "TerapiCore",
            dependencies: [
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ],
            resources: [.embedInCode("Models")],
            swiftSettings: settings
        ),
        .target(name: "TerapiStorage", dependencies: ["TerapiCore"], swiftSettings: settings),
        .target(
            name: "TerapiSQLite",
            dependencies: ["CSQLite", "TerapiCore", "TerapiStorage"],
            swiftSettings: settings
        ),
        .target(
            name: "TerapiProviders",
            dependencies: [
                "CZlib",
                "TerapiCore",
                "Yams",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            resources: [.embedInCode("Catalog"), .embedInCode("Webhooks")],
            swiftSettings: settings
        ),
        .target(
            name: "TerapiScripts",
            dependencies: [
                "TerapiCore", "CJavaScriptCore", "Yams",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            resources: [.embedInCode("Prelude"), .embedInCode("Project")],
            swiftSettings: settings
        ),
        .target(
            name: "TerapiTemplates",
            dependencies: ["TerapiCore"],
            resources: [.embedInCode("Files")],
            swiftSettings: settings
        ),
        .target(
            name: "TerapiEngine",
            dependencies: [
                "TerapiCore",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "TerapiAPI",
            dependencies: [
                "TerapiCore",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            resources: [.embedInCode("ConnectPage/Assets")],
            swiftSettings: settings
        ),
        .target(
            name: "TerapiSandbox",
            dependencies: [
                "TerapiCore",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "terapi",
            dependencies: [
                "TerapiAPI", "TerapiCore", "TerapiEngine", "TerapiProviders", "TerapiSQLite", "TerapiSandbox",
                "TerapiScripts", "TerapiStorage", "TerapiTemplates",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "TestSupport",
            dependencies: [
                "TerapiCore",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Tests/TestSupport",
            swiftSettings: settings
        ),
        .testTarget(
            name: "TerapiAPITests",
            dependencies: [
                "TerapiAPI", "TerapiCore", "TestSupport",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        .testTarget(name: "TerapiCoreTests", dependencies: ["TerapiCore"], swiftSettings: settings),
        .testTarget(
            name: "TerapiEngineTests",
            dependencies: [
                "TerapiCore", "TerapiEngine", "TerapiSQLite", "TerapiStorage", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TerapiProvidersTests",
            dependencies: [
                "CZlib", "TerapiCore", "TerapiProviders", "TestSupport",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TerapiEntranceTests",
            dependencies: [
                "TerapiAPI", "TerapiCore", "TerapiEngine", "TerapiProviders", "TerapiSQLite", "TerapiScripts",
                "TerapiStorage", "TestSupport", "script-host-fixture",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "script-host-fixture",
            dependencies: ["TerapiCore", "TerapiScripts"],
            path: "Tests/ScriptHostFixture",
            swiftSettings: settings
        ),
        .testTarget(
            name: "TerapiScriptsTests",
            dependencies: ["TerapiCore", "TerapiScripts", "TerapiTemplates", "TestSupport", "script-host-fixture"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TerapiStorageTests",
            dependencies: ["TerapiCore", "TerapiSQLite", "TerapiStorage"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TerapiSQLiteTests",
            dependencies: ["CSQLite", "TerapiCore", "TerapiSQLite", "TerapiStorage", "TestSupport"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TerapiSandboxTests",
            dependencies: [
                "TerapiCore",
                "TerapiSandbox",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
    ]
)
