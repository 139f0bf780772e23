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

    /// The verdict on a normalized capture, which must be of the model's size: quality's limits are for that one, too.
    public func assess(_ capture: Capture) throws -> Assessment {
        let (side, width, height) = (bundle.manifest.input.size, capture.image.width, capture.image.height)
        let fault = "a capture of \(width)x\(height), the model takes \(side)x\(side); normalize it to that size"
        guard width == side, height == side else {
            throw TriageError.capture(fault)
        }
        let quality = Quality.judge(capture.image, regionPx: capture.regionPx, limits: bundle.manifest.quality)
        return try assessment(quality, outputs: quality.reasons.isEmpty ? try engine.run(capture.image) : nil)
    }

    /// One verdict on several frames of the same lesion.
    public func assessBurst(_ frames: [CameraFrame], box: Box? = nil) throws -> BurstAssessment {
        try BurstAssessment.combine(try frames.map { try assess($0, box: box) })
    }

    /// One verdict on several upright pictures of the same lesion. Large photographs need not be in memory at once:
    /// `BurstAssessment.combine` takes the verdicts on each.
    public func assessBurst(_ uprights: [RgbImage], box: Box? = nil) throws -> BurstAssessment {
        try BurstAssessment.combine(try uprights.map { try assess($0, box: box) })
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
        let values = outputs["probabilities"] ?? []
        let scores = outputs["scores"] ?? []
        guard let column = manifest.scores.firstIndex(where: { $0.name == "malignancy" }) else {
            throw TriageError.bundle("the manifest has no score malignancy; make the kit again")
        }
        let unlike = outputs["outlier"] ?? (variant.outputs["outlier"] == nil ? nil : [])
        if let fault = fault(probabilities: values.map { Double($0) }, scores: scores.map { Double($0) }, outlier: unlike) {
            throw TriageError.inference("variant \(variant.name) gave \(fault); make the kit again")
        }
        let malignancy = share(scores[column])
        let cancer = manifest.scores.firstIndex(where: { $0.name == "cancer" }).map { share(scores[$0]) }
        let outlier = unlike.map { Double($0[0]) }
        let decision = Decision.decide(
            reasons: quality.reasons, malignancy: malignancy, threshold: point.threshold, outlier: outlier, limit: limit
        )
        // The manifest has no label twice.
        let labelled = zip(manifest.classes.map { $0.label }, values.map { share($0) })
        let probabilities = Dictionary(labelled, uniquingKeysWith: { first, _ in first })
        return Assessment(
            decision: decision, malignancy: malignancy, cancer: cancer, probabilities: probabilities, quality: quality,
            operatingPoint: operatingPoint, point: point, bundleID: bundle.id, variant: variant.name, engine: engine.name,
            outlier: outlier, outlierLimit: limit
        )
    }

    /// From 0 to 1: a sum of float probabilities may be above 1 by its rounding.
    private func share(_ value: Float) -> Double {
        Swift.min(1, Swift.max(0, Double(value)))
    }

    /// As `check_outputs` of mobile_runtime/engines.py: of outputs that are all zero, a verdict would reassure.
    private func fault(probabilities: [Double], scores: [Double], outlier: [Float]?) -> String? {
        let manifest = bundle.manifest
        // False, too, where one is not a number.
        let near = { (found: Double, expected: Double) in abs(found - expected) <= Constants.sumTolerance }
        guard probabilities.count == manifest.classes.count else { return "not a probability for each class" }
        guard scores.count == manifest.scores.count else { return "not the scores of the manifest" }
        if let outlier = outlier {
            guard outlier.count == 1, outlier[0].isFinite else { return "not one finite outlier score" }
        }
        guard probabilities.allSatisfy({ near($0, Swift.min(1, Swift.max(0, $0))) }) else {
            return "probabilities that are not from 0 to 1"
        }
        for (score, found) in zip(manifest.scores, scores) {
            let sum = zip(score.weights, probabilities).map { $0 * $1 }.reduce(0, +)
            guard score.weights.count == probabilities.count, near(found, sum) else {
                return "a \(score.name) that is not the sum of its classes"
            }
        }
        return near(probabilities.reduce(0, +), 1) ? nil : "probabilities that do not sum to 1"
    }
}
