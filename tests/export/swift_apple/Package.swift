// swift-tools-version:5.7
import PackageDescription

// The kit's package with stand-ins for Apple's frameworks: laid over a kit, after swift_linux, to see that what needs them compiles.
let package = Package(
    name: "Skintriage",
    targets: [
        .target(name: "CryptoKit"),
        .target(name: "CoreGraphics"),
        .target(name: "CoreVideo", dependencies: ["CoreGraphics"]),
        .target(name: "ImageIO", dependencies: ["CoreGraphics"]),
        .target(name: "CoreML", dependencies: ["CoreVideo"]),
        .target(
            name: "Skintriage", dependencies: ["CryptoKit", "CoreGraphics", "CoreVideo", "ImageIO", "CoreML"],
            resources: [.copy("Model")]
        ),
    ]
)
