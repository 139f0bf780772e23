import Foundation

/// As on Apple's systems a class, which no pattern takes for a String.
public final class CFString: Hashable {
    private let text: String

    public init(_ text: String) {
        self.text = text
    }

    public static func == (one: CFString, other: CFString) -> Bool {
        one.text == other.text
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(text)
    }
}

public func CFEqual(_ one: AnyObject, _ other: AnyObject) -> Bool { one === other }

public typealias CFData = Data
public typealias CFDictionary = [CFString: Any]

public final class CGImage {
    public let width = 1
    public let height = 1
}

public final class CGColorSpace {
    public static let sRGB = CFString("sRGB")
    public init?(name: CFString) {}
}

public struct CGBitmapInfo: OptionSet {
    public static let byteOrder32Big = CGBitmapInfo(rawValue: 4 << 12)
    public let rawValue: UInt32
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }
}

public enum CGImageAlphaInfo: UInt32 {
    case noneSkipLast = 5
}

public enum CGInterpolationQuality {
    case none
}

public final class CGContext {
    public var interpolationQuality = CGInterpolationQuality.none
    public init?(
        data: UnsafeMutableRawPointer?, width: Int, height: Int, bitsPerComponent: Int, bytesPerRow: Int, space: CGColorSpace,
        bitmapInfo: UInt32
    ) {}
    public func draw(_ image: CGImage, in rectangle: CGRect) {}
}
