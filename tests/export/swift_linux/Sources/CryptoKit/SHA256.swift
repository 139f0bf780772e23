import Foundation

/// Stands in for Apple's CryptoKit on Linux: what the kit calls of it, computed by coreutils.
public enum SHA256 {
    public static func hash(data: Data) -> [UInt8] {
        let (program, input, output) = (Process(), Pipe(), Pipe())
        program.executableURL = URL(fileURLWithPath: "/usr/bin/sha256sum")
        program.standardInput = input
        program.standardOutput = output
        try! program.run()
        input.fileHandleForWriting.write(data)
        try! input.fileHandleForWriting.close()
        let digits = Array(String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self).prefix(64))
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0..<($0 + 2)]), radix: 16)! }
    }
}
