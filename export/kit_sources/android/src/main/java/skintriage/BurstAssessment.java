package skintriage;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** One verdict on several frames of one lesion; `mobile_runtime/burst.py` states the rules. */
public final class BurstAssessment {
    public final Assessment assessment;
    public final List<Assessment> frames;
    /** How many frames passed the quality gate and are not outliers. */
    public final int usable;
    /** Highest less lowest malignancy of the usable frames; null when too few are usable. */
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

    /**
     * Combines the verdicts on one lesion's frames or photographs.
     *
     * @throws TriageException.Capture there is none, or they are of different bundles, variants or operating points
     */
    public static BurstAssessment combine(List<Assessment> frames) {
        if (frames.isEmpty()) {
            throw new TriageException.Capture("a burst needs at least one frame");
        }
        for (Assessment frame : frames) {
            if (!isComparable(frame, frames.get(0))) {
                throw new TriageException.Capture("a burst of different bundles, variants or operating points; make all"
                        + " assessments of one lesion with the same Triage");
            }
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
        scored.sort(Comparator.comparingDouble(frame -> frame.malignancy));
        Assessment lower = scored.get((scored.size() - 1) / 2);
        Assessment upper = scored.get(scored.size() / 2);
        double threshold = lower.point.threshold;
        double middle = (lower.malignancy + upper.malignancy) / 2;
        int agreeing = 0;
        for (Assessment frame : scored) {
            agreeing += (frame.malignancy >= threshold) == (middle >= threshold) ? 1 : 0;
        }
        double agreement = (double) agreeing / scored.size();
        boolean agreed = 1 - agreement <= Constants.MAX_DISSENT;
        for (Assessment frame : frames) {
            boolean quiet = frame.malignancy == null || frame.malignancy < Math.max(threshold, Constants.ALARM);
            agreed = agreed && quiet;
        }
        Decision verdict = middle >= threshold ? Decision.REFER : agreed ? Decision.LOW_CONCERN : Decision.RETAKE;
        boolean retake = verdict == Decision.RETAKE;
        Map<String, Double> probabilities = new LinkedHashMap<>();
        for (String label : retake ? Collections.<String>emptySet() : lower.probabilities.keySet()) {
            probabilities.put(label, (lower.probabilities.get(label) + upper.probabilities.get(label)) / 2);
        }
        Double cancer = retake ? null : mean(lower.cancer, upper.cancer);
        Double outlier = retake ? null : mean(lower.outlier, upper.outlier);
        List<String> remark = new ArrayList<>();
        for (String text : retake ? Constants.BURST_REMARK : Collections.<String>emptyList()) {
            remark.add(text.replace("{agreeing}", Integer.toString(agreeing))
                    .replace("{usable}", Integer.toString(scored.size())));
        }
        Assessment combined = lower.with(verdict, retake ? null : (Double) middle, cancer, probabilities, outlier, remark);
        double spread = scored.get(scored.size() - 1).malignancy - scored.get(0).malignancy;
        return new BurstAssessment(combined, frames, scored.size(), spread, agreement);
    }

    private static boolean isComparable(Assessment one, Assessment other) {
        return one.bundleId.equals(other.bundleId) && one.variant.equals(other.variant)
                && one.point.name.equals(other.point.name);
    }

    private static Double mean(Double first, Double second) {
        return first == null || second == null ? null : (Double) ((first + second) / 2);
    }
}
