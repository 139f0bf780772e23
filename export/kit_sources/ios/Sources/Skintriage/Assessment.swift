import Foundation

/// The verdict on one image, and what it rests on.
public struct Assessment {
    public let decision: Decision
    /// Probability of a malignant lesion, 0 to 1; nil when the picture must be retaken. Not to be shown on abstention.
    public let malignancy: Double?
    /// The same without premalignant lesions.
    public let cancer: Double?
    /// Class label -> probability; empty when the picture must be retaken.
    public let probabilities: [String: Double]
    public let quality: Quality
    public let operatingPoint: String
    public let point: Manifest.OperatingPoint
    public let bundleID: String
    public let variant: String
    public let engine: String
    /// How unlike the training images; nil when the variant gives none.
    public let outlier: Double?
    public let outlierLimit: Double?
    /// Sentences that take the place of what the decision usually means; empty for one image.
    var remark: [String] = []

    /// Sentences to show: what the decision means, or how a burst disagrees, then what to do about each quality fault.
    public var advice: [String] { (remark.isEmpty ? [decision.meaning] : remark) + quality.reasons.map { $0.advice } }
}

/// One verdict on several frames of one lesion; `mobile_runtime/burst.py` states the rules.
public struct BurstAssessment {
    public let assessment: Assessment
    public let frames: [Assessment]
    /// How many frames passed the quality gate and are not outliers.
    public let usable: Int
    /// Highest less lowest malignancy of the usable frames; nil when too few are usable.
    public let spread: Double?
    /// Share of usable frames on the median's side of the threshold; nil when too few are usable.
    public let agreement: Double?

    /// Combines the verdicts on one lesion's frames or photographs.
    ///
    /// - Throws: `TriageError.capture` where there is none, or they are of different bundles, variants or operating points.
    public static func combine(_ frames: [Assessment]) throws -> BurstAssessment {
        guard let first = frames.first else { throw TriageError.capture("a burst needs at least one frame") }
        let basis = (first.bundleID, first.variant, first.operatingPoint)
        guard frames.allSatisfy({ ($0.bundleID, $0.variant, $0.operatingPoint) == basis }) else {
            throw TriageError.capture(
                "a burst of different bundles, variants or operating points; make all assessments of one lesion with the same Triage"
            )
        }
        let scored = frames.filter { $0.malignancy != nil && $0.decision != .abstain }
        if scored.isEmpty || Double(scored.count) < Constants.minUsableShare * Double(frames.count) {
            let retakes = frames.filter { $0.decision == .retake }
            let others = frames.filter { $0.decision == .abstain }
            let worst = retakes.count >= others.count ? retakes[0] : others[0]
            return BurstAssessment(assessment: worst, frames: frames, usable: scored.count, spread: nil, agreement: nil)
        }
        let ordered = scored.sorted { $0.malignancy! < $1.malignancy! }
        let (lower, upper) = (ordered[(ordered.count - 1) / 2], ordered[ordered.count / 2])
        let values = ordered.compactMap { $0.malignancy }
        let threshold = lower.point.threshold
        let middle = (lower.malignancy! + upper.malignancy!) / 2
        let agreeing = values.filter { ($0 >= threshold) == (middle >= threshold) }.count
        let agreement = Double(agreeing) / Double(values.count)
        let verdict: Decision
        if middle >= threshold {
            verdict = .refer
        } else {
            let quiet = frames.compactMap { $0.malignancy }.allSatisfy { $0 < max(threshold, Constants.alarm) }
            let agreed = 1 - agreement <= Constants.maxDissent && quiet
            verdict = agreed ? .lowConcern : .retake
        }
        let retake = verdict == .retake
        var probabilities: [String: Double] = [:]
        for (label, value) in retake ? [:] : lower.probabilities {
            probabilities[label] = (value + upper.probabilities[label]!) / 2
        }
        let remark: [String] = (retake ? Constants.burstRemark : []).map { text in
            text.replacingOccurrences(of: "{agreeing}", with: String(agreeing))
                .replacingOccurrences(of: "{usable}", with: String(scored.count))
        }
        let combined = Assessment(
            decision: verdict, malignancy: retake ? nil : middle, cancer: retake ? nil : mean(lower.cancer, upper.cancer),
            probabilities: probabilities, quality: lower.quality, operatingPoint: lower.operatingPoint, point: lower.point,
            bundleID: lower.bundleID, variant: lower.variant, engine: lower.engine,
            outlier: retake ? nil : mean(lower.outlier, upper.outlier), outlierLimit: lower.outlierLimit, remark: remark
        )
        let spread = values[values.count - 1] - values[0]
        return BurstAssessment(assessment: combined, frames: frames, usable: scored.count, spread: spread, agreement: agreement)
    }

    private static func mean(_ first: Double?, _ second: Double?) -> Double? {
        guard let first = first, let second = second else { return nil }
        return (first + second) / 2
    }
}
