package skintriage;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** One verdict on several frames of one lesion; `mobile_runtime/burst.py` states the rules. */
public final class BurstAssessment {
    public final Assessment assessment;
    public final List<Assessment> frames;
    /** How many frames passed the quality gate and are not outliers. */
    public final int usable;
    /** Half the distance between the quartiles of the usable frames' malignancy; null when too few are usable. */
    public final Double spread;
    /** Share of usable frames on the median's side of the threshold; null when too few are usable. */
    public final Double agreement;

    private BurstAssessment(Assessment assessment, List<Assessment> frames, int usable, Double spread, Double agreement) {
        this.assessment = assessment;
        this.frames = Collections.unmodifiableList(new ArrayList<>(frames));
        this.usable = usable;
        this.spread = spread;
        this.agreement = agreement;
    }

    /** Combines the verdicts on one lesion's frames. */
    static BurstAssessment combine(List<Assessment> frames) {
        if (frames.isEmpty()) {
            throw new TriageException.Capture("a burst needs at least one frame");
        }
        List<Assessment> scored = new ArrayList<>();
        List<Assessment> retakes = new ArrayList<>();
        List<Assessment> others = new ArrayList<>();
        for (Assessment frame : frames) {
            boolean usable = frame.malignancy != null && frame.decision != Decision.ABSTAIN;
            (usable ? scored : frame.decision == Decision.RETAKE ? retakes : others).add(frame);
        }
        if (scored.isEmpty() || scored.size() < Constants.MIN_USABLE_SHARE * frames.size()) {
            boolean mostlyRetakes = retakes.size() >= others.size() && !retakes.isEmpty();
            Assessment worst = mostlyRetakes ? retakes.get(0) : others.get(0);
            return new BurstAssessment(worst, frames, scored.size(), null, null);
        }
        List<Double> values = new ArrayList<>();
        List<Double> cancers = new ArrayList<>();
        List<Double> outliers = new ArrayList<>();
        for (Assessment frame : scored) {
            values.add(frame.malignancy);
            if (frame.cancer != null) {
                cancers.add(frame.cancer);
            }
            if (frame.outlier != null) {
                outliers.add(frame.outlier);
            }
        }
        Assessment first = scored.get(0);
        double threshold = first.point.threshold;
        double middle = median(values);
        int agreeing = 0;
        for (double value : values) {
            agreeing += (value >= threshold) == (middle >= threshold) ? 1 : 0;
        }
        double agreement = (double) agreeing / values.size();
        boolean agreed = 1 - agreement <= Constants.MAX_DISSENT;
        for (Assessment frame : frames) {
            boolean quiet = frame.malignancy == null || frame.malignancy < Math.max(threshold, Constants.ALARM);
            agreed = agreed && quiet;
        }
        Decision verdict = middle >= threshold ? Decision.REFER : agreed ? Decision.LOW_CONCERN : Decision.RETAKE;
        boolean retake = verdict == Decision.RETAKE;
        Map<String, Double> medians = new LinkedHashMap<>();
        for (String label : retake ? Collections.<String>emptySet() : first.probabilities.keySet()) {
            List<Double> column = new ArrayList<>();
            for (Assessment frame : scored) {
                column.add(frame.probabilities.get(label));
            }
            medians.put(label, median(column));
        }
        Double cancer = retake || cancers.isEmpty() ? null : (Double) median(cancers);
        Double outlier = outliers.isEmpty() ? null : (Double) median(outliers);
        List<String> remark = new ArrayList<>();
        for (String text : retake ? Constants.BURST_REMARK : Collections.<String>emptyList()) {
            remark.add(text.replace("{agreeing}", Integer.toString(agreeing))
                    .replace("{usable}", Integer.toString(scored.size())));
        }
        Assessment combined = first.with(verdict, retake ? null : (Double) middle, cancer, medians, outlier, remark);
        double spread = (quantile(values, 0.75) - quantile(values, 0.25)) / 2;
        return new BurstAssessment(combined, frames, scored.size(), spread, agreement);
    }

    private static double median(List<Double> values) {
        List<Double> sorted = new ArrayList<>(values);
        Collections.sort(sorted);
        return (sorted.get((sorted.size() - 1) / 2) + sorted.get(sorted.size() / 2)) / 2;
    }

    /** Linear between order statistics, rounded as NumPy rounds it. */
    private static double quantile(List<Double> values, double share) {
        List<Double> sorted = new ArrayList<>(values);
        Collections.sort(sorted);
        double place = share * (sorted.size() - 1);
        int below = (int) place;
        double low = sorted.get(below);
        double high = sorted.get(Math.min(below + 1, sorted.size() - 1));
        double part = place - below;
        return part < 0.5 ? low + (high - low) * part : high - (high - low) * (1 - part);
    }
}
