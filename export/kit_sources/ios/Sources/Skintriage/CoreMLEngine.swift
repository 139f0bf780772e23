#if canImport(CoreML)
import CoreML
import CoreVideo
import Foundation

/// Core ML on whatever unit it chooses: CPU, GPU or Neural Engine.
public final class CoreMLEngine: Engine {
    public let name = "Core ML"
    private let model: MLModel
    private let variant: Manifest.Variant

    /// Checks and compiles the model, which takes a moment: call it once, off the main thread.
    public init(bundle: ModelBundle, variant: Manifest.Variant, computeUnits: MLComputeUnits = .all) throws {
        let package = try bundle.model(variant)
        let configuration = MLModelConfiguration()
        configuration.computeUnits = computeUnits
        do {
            let compiled = try MLModel.compileModel(at: package)
            model = try MLModel(contentsOf: compiled, configuration: configuration)
        } catch {
            throw TriageError.inference("variant \(variant.name): Core ML refuses it (\(error.localizedDescription))")
        }
        self.variant = variant
    }

    public func run(_ prepared: RgbImage) throws -> [String: [Float]] {
        let image = MLFeatureValue(pixelBuffer: try CoreMLEngine.pixelBuffer(prepared))
        let outputs: MLFeatureProvider
        do {
            let input = try MLDictionaryFeatureProvider(dictionary: [variant.inputName: image])
            outputs = try model.prediction(from: input)
        } catch {
            throw TriageError.inference("variant \(variant.name): Core ML fails on an image (\(error.localizedDescription))")
        }
        var found: [String: [Float]] = [:]
        for (role, output) in variant.outputs {
            guard let array = outputs.featureValue(for: output)?.multiArrayValue else {
                throw TriageError.inference("variant \(variant.name): the model has no output \(output); make the kit again")
            }
            found[role] = (0..<array.count).map { array[$0].floatValue }
        }
        return found
    }

    private static func pixelBuffer(_ image: RgbImage) throws -> CVPixelBuffer {
        var made: CVPixelBuffer?
        CVPixelBufferCreate(nil, image.width, image.height, kCVPixelFormatType_32BGRA, nil, &made)
        guard let buffer = made else { throw TriageError.inference("no memory for a pixel buffer") }
        CVPixelBufferLockBaseAddress(buffer, [])
        defer { CVPixelBufferUnlockBaseAddress(buffer, []) }
        guard let base = CVPixelBufferGetBaseAddress(buffer) else {
            throw TriageError.inference("no memory for a pixel buffer")
        }
        let stride = CVPixelBufferGetBytesPerRow(buffer)
        let bytes = base.assumingMemoryBound(to: UInt8.self)
        for y in 0..<image.height {
            for x in 0..<image.width {
                let from = 3 * (y * image.width + x)
                let to = y * stride + 4 * x
                bytes[to] = image.rgb[from + 2]
                bytes[to + 1] = image.rgb[from + 1]
                bytes[to + 2] = image.rgb[from]
                bytes[to + 3] = 255
            }
        }
        return buffer
    }
}
#endif
