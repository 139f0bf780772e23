import CoreVideo
import Foundation

public enum MLComputeUnits {
    case all
}

public final class MLModelConfiguration {
    public var computeUnits = MLComputeUnits.all
    public init() {}
}

public final class MLMultiArray {
    public let count = 0
    public subscript(index: Int) -> NSNumber { 0 }
}

public final class MLFeatureValue {
    public let multiArrayValue: MLMultiArray? = nil
    public init(pixelBuffer: CVPixelBuffer) {}
}

public protocol MLFeatureProvider {
    func featureValue(for name: String) -> MLFeatureValue?
}

public final class MLDictionaryFeatureProvider: MLFeatureProvider {
    public init(dictionary: [String: Any]) throws {}
    public func featureValue(for name: String) -> MLFeatureValue? { nil }
}

public final class MLModel {
    public init(contentsOf location: URL, configuration: MLModelConfiguration) throws {}
    public static func compileModel(at location: URL) throws -> URL { location }
    public func prediction(from input: MLFeatureProvider) throws -> MLFeatureProvider { input }
}
