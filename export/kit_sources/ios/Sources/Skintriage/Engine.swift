/// Runs one variant of the model.
public protocol Engine {
    /// Runtime and kernels, for the record.
    var name: String { get }
    /// Runs a prepared image: role (probabilities, scores, outlier) -> values of that one image.
    func run(_ prepared: RgbImage) throws -> [String: [Float]]
}
