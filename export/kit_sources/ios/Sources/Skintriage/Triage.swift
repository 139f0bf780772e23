/// From a camera frame or a picture to an `Assessment`.
public final class Triage {
    private let bundle: ModelBundle
    private let variant: Manifest.Variant
    private let operatingPoint: String
    private let point: Manifest.OperatingPoint
    private let engine: Engine

    /// A named operating point: rule_out, balanced or rule_in; nil takes the bundle's default.
    public init(bundle: ModelBundle, variant: Manifest.Variant, engine: Engine, operatingPoint: String? = nil) throws {
        self.bundle = bundle
        self.variant = variant
        self.engine = engine
        let chosen = operatingPoint ?? bundle.manifest.defaultOperatingPoint
        self.operatingPoint = chosen
        point = try variant.operatingPoint(chosen)
    }

    /// The verdict on a camera frame; a nil box takes the centre square of the upright picture.
    public func assess(_ frame: CameraFrame, box: Box? = nil) throws -> Assessment {
        try assess(try frame.toRgb(), box: box)
    }

    /// The verdict on an upright picture; a nil box takes the centre square.
    public func assess(_ upright: RgbImage, box: Box? = nil) throws -> Assessment {
        try assess(try Capture.normalize(upright, size: bundle.manifest.input.size, box: box))
    }

    /// The verdict on a normalized capture, which must be of the model's size: quality's figures and its limits are for that one.
    public func assess(_ capture: Capture) throws -> Assessment {
        let (side, width, height) = (bundle.manifest.input.size, capture.image.width, capture.image.height)
        guard width == side, height == side else {
            throw TriageError.capture("a capture of \(width)x\(height), the model takes \(side)x\(side); normalize it to that size")
        }
        let quality = Quality.judge(capture.image, regionPx: capture.regionPx, limits: bundle.manifest.quality)
        return try assessment(quality, outputs: quality.reasons.isEmpty ? try engine.run(capture.image) : nil)
    }

    /// One verdict on several frames of the same lesion.
    public func assessBurst(_ frames: [CameraFrame], box: Box? = nil) throws -> BurstAssessment {
        try BurstAssessment.combine(try frames.map { try assess($0, box: box) })
    }

    /// The verdict that follows from quality and outputs; outputs are nil where the picture is to be retaken.
    func assessment(_ quality: Quality, outputs: [String: [Float]]?) throws -> Assessment {
        let manifest = bundle.manifest
        let limit = variant.abstention?.limit
        guard let outputs = outputs else {
            return Assessment(
                decision: .retake, malignancy: nil, cancer: nil, probabilities: [:], quality: quality,
                operatingPoint: operatingPoint, point: point, bundleID: bundle.id, variant: variant.name,
                engine: engine.name, outlier: nil, outlierLimit: limit
            )
        }
        guard let values = outputs["probabilities"], values.count == manifest.classes.count, values.allSatisfy({ $0.isFinite }),
            let scores = outputs["scores"], scores.count == manifest.scores.count, scores.allSatisfy({ $0.isFinite }),
            let column = manifest.scores.firstIndex(where: { $0.name == "malignancy" })
        else {
            throw TriageError.inference("variant \(variant.name) gave scores that are not numbers")
        }
        let malignancy = Double(scores[column])
        let cancer = manifest.scores.firstIndex(where: { $0.name == "cancer" }).map { Double(scores[$0]) }
        let outlier = outputs["outlier"]?.first.map { Double($0) }
        let decision = Decision.decide(
            reasons: quality.reasons, malignancy: malignancy, threshold: point.threshold, outlier: outlier, limit: limit
        )
        let probabilities = Dictionary(uniqueKeysWithValues: zip(manifest.classes.map { $0.label }, values.map { Double($0) }))
        return Assessment(
            decision: decision, malignancy: malignancy, cancer: cancer, probabilities: probabilities, quality: quality,
            operatingPoint: operatingPoint, point: point, bundleID: bundle.id, variant: variant.name, engine: engine.name,
            outlier: outlier, outlierLimit: limit
        )
    }
}
