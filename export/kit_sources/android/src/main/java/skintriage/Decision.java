package skintriage;

import java.util.Collection;

/** What to do next. None of these is a diagnosis. */
public enum Decision {
    REFER,
    LOW_CONCERN,
    RETAKE,
    ABSTAIN;

    /** The stable code that Python writes. */
    public String code() {
        return Constants.code(this);
    }

    /** The sentence to show. */
    public String meaning() {
        return Constants.MEANING.get(code());
    }

    /** Retake a poor image, abstain on one unlike the training images, else refer when malignancy reaches the threshold. */
    static Decision decide(Collection<Reason> reasons, double malignancy, double threshold, Double outlier, Double limit) {
        if (!reasons.isEmpty()) {
            return RETAKE;
        }
        // Written so that a score that is not a number ends in abstention or referral, never in reassurance.
        if (limit != null && !(outlier != null && outlier <= limit)) {
            return ABSTAIN;
        }
        return malignancy < threshold ? LOW_CONCERN : REFER;
    }
}
