// swift-tools-version:5.7
import PackageDescription

// The kit's package with a stand-in for CryptoKit: laid over a kit to compile and run it where there is no Apple SDK.
let package = Package(
    name: "Skintriage",
    targets: [
        .target(name: "CryptoKit"),
        .target(name: "Skintriage", dependencies: ["CryptoKit"], resources: [.copy("Model")]),
        .testTarget(name: "SkintriageTests", dependencies: ["Skintriage"], resources: [.copy("Vectors")]),
    ]
)
