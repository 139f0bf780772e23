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
    /// Half the distance between the quartiles of the usable frames' malignancy; nil when too few are usable.
    public let spread: Double?
    /// Share of usable frames on the median's side of the threshold; nil when too few are usable.
    public let agreement: Double?

    /// Combines the verdicts on one lesion's frames.
    static func combine(_ frames: [Assessment]) throws -> BurstAssessment {
        guard !frames.isEmpty else { throw TriageError.capture("a burst needs at least one frame") }
        let scored = frames.filter { $0.malignancy != nil && $0.decision != .abstain }
        if scored.isEmpty || Double(scored.count) < Constants.minUsableShare * Double(frames.count) {
            let retakes = frames.filter { $0.decision == .retake }
            let others = frames.filter { $0.decision == .abstain }
            let worst = retakes.count >= others.count ? retakes[0] : others[0]
            return BurstAssessment(assessment: worst, frames: frames, usable: scored.count, spread: nil, agreement: nil)
        }
        let first = scored[0]
        let values = scored.compactMap { $0.malignancy }
        let threshold = first.point.threshold
        let middle = median(values)
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
        var medians: [String: Double] = [:]
        for label in retake ? [] : Array(first.probabilities.keys) {
            medians[label] = median(scored.compactMap { $0.probabilities[label] })
        }
        let cancers = scored.compactMap { $0.cancer }
        let outliers = scored.compactMap { $0.outlier }
        let remark: [String] = (retake ? Constants.burstRemark : []).map { text in
            text.replacingOccurrences(of: "{agreeing}", with: String(agreeing))
                .replacingOccurrences(of: "{usable}", with: String(scored.count))
        }
        let combined = Assessment(
            decision: verdict, malignancy: retake ? nil : middle, cancer: retake || cancers.isEmpty ? nil : median(cancers),
            probabilities: medians, quality: first.quality, operatingPoint: first.operatingPoint, point: first.point,
            bundleID: first.bundleID, variant: first.variant, engine: first.engine,
            outlier: outliers.isEmpty ? nil : median(outliers), outlierLimit: first.outlierLimit, remark: remark
        )
        let spread = (quantile(values, 0.75) - quantile(values, 0.25)) / 2
        return BurstAssessment(assessment: combined, frames: frames, usable: scored.count, spread: spread, agreement: agreement)
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }

    /// Linear between order statistics, rounded as NumPy rounds it.
    private static func quantile(_ values: [Double], _ share: Double) -> Double {
        let sorted = values.sorted()
        let place = share * Double(sorted.count - 1)
        let below = Int(place)
        let low = sorted[below]
        let high = sorted[min(below + 1, sorted.count - 1)]
        let part = place - Double(below)
        return part < 0.5 ? low + (high - low) * part : high - (high - low) * (1 - part)
    }
}
