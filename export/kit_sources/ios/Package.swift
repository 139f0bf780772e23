// swift-tools-version:5.7
import PackageDescription

let package = Package(
    name: "Skintriage",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "Skintriage", targets: ["Skintriage"])],
    targets: [
        .target(name: "Skintriage", resources: [.copy("Model")]),
        .testTarget(name: "SkintriageTests", dependencies: ["Skintriage"], resources: [.copy("Vectors")]),
    ]
)
