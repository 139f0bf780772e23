package skintriage;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/** The verdict on one image, and what it rests on. */
public final class Assessment {
    public final Decision decision;
    /** Probability of a malignant lesion, 0 to 1; null when the picture must be retaken. Not to be shown on abstention. */
    public final Double malignancy;
    /** The same without premalignant lesions. */
    public final Double cancer;
    /** Class label -> probability; empty when the picture must be retaken. */
    public final Map<String, Double> probabilities;
    public final Quality quality;
    public final Manifest.OperatingPoint point;
    public final String bundleId;
    public final String variant;
    public final String engine;
    /** How unlike the training images; null when the variant gives none. */
    public final Double outlier;
    public final Double outlierLimit;
    private final List<String> remark;

    Assessment(Decision decision, Double malignancy, Double cancer, Map<String, Double> probabilities, Quality quality,
            Manifest.OperatingPoint point, String bundleId, String variant, String engine, Double outlier,
            Double outlierLimit) {
        this(decision, malignancy, cancer, probabilities, quality, point, bundleId, variant, engine, outlier, outlierLimit,
                Collections.<String>emptyList());
    }

    private Assessment(Decision decision, Double malignancy, Double cancer, Map<String, Double> probabilities,
            Quality quality, Manifest.OperatingPoint point, String bundleId, String variant, String engine, Double outlier,
            Double outlierLimit, List<String> remark) {
        this.decision = decision;
        this.malignancy = malignancy;
        this.cancer = cancer;
        this.probabilities = probabilities;
        this.quality = quality;
        this.point = point;
        this.bundleId = bundleId;
        this.variant = variant;
        this.engine = engine;
        this.outlier = outlier;
        this.outlierLimit = outlierLimit;
        this.remark = remark;
    }

    /** Sentences to show: what the decision means, or how a burst disagrees, then what to do about each quality fault. */
    public List<String> advice() {
        List<String> sentences = new ArrayList<>(remark.isEmpty() ? Collections.singletonList(decision.meaning()) : remark);
        for (Reason reason : quality.reasons) {
            sentences.add(reason.advice());
        }
        return sentences;
    }

    /** The same with other scores: the verdict on a burst, and sentences that take the place of what it usually means. */
    Assessment with(Decision verdict, Double median, Double cancerMedian, Map<String, Double> medians, Double outliers,
            List<String> sentences) {
        return new Assessment(verdict, median, cancerMedian, medians, quality, point, bundleId, variant, engine, outliers,
                outlierLimit, sentences);
    }
}
