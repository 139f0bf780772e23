/// What to do next. None of these is a diagnosis.
public enum Decision: String, CaseIterable {
    case refer
    case lowConcern = "low_concern"
    case retake
    case abstain

    /// The sentence to show.
    public var meaning: String { Constants.meaning[rawValue] ?? rawValue }

    /// Retake a poor image, abstain on one unlike the training images, else refer when malignancy reaches the threshold.
    static func decide(reasons: [Reason], malignancy: Double, threshold: Double, outlier: Double?, limit: Double?) -> Decision {
        if !reasons.isEmpty {
            return .retake
        }
        // Written so that a score that is not a number ends in abstention or referral, never in reassurance.
        if let limit = limit {
            guard let outlier = outlier, outlier <= limit else { return .abstain }
        }
        return malignancy < threshold ? .lowConcern : .refer
    }
}
