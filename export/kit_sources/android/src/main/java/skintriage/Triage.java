package skintriage;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** From a camera frame or a picture to an {@link Assessment}. */
public final class Triage implements AutoCloseable {
    private final Bundle bundle;
    private final Manifest manifest;
    private final Manifest.Variant variant;
    private final Manifest.OperatingPoint point;
    private final Engine engine;

    /** The default operating point of the bundle. */
    public Triage(Bundle bundle, Manifest.Variant variant, Engine engine) {
        this(bundle, variant, engine, bundle.manifest.defaultOperatingPoint);
    }

    /** A named operating point: rule_out, balanced or rule_in. */
    public Triage(Bundle bundle, Manifest.Variant variant, Engine engine, String operatingPoint) {
        this.bundle = bundle;
        this.manifest = bundle.manifest;
        this.variant = variant;
        this.engine = engine;
        point = variant.operatingPoint(operatingPoint);
    }

    /** The verdict on a camera frame; a null box takes the centre square of the upright picture. */
    public Assessment assess(CameraFrame frame, Box box) {
        return assess(frame.toRgb(), box);
    }

    /** The verdict on an upright picture; a null box takes the centre square. */
    public Assessment assess(RgbImage upright, Box box) {
        return assess(Capture.normalize(upright, manifest.inputSize, box));
    }

    /** The verdict on a normalized capture, which must be of the model's size: quality's limits are for that one, too. */
    public Assessment assess(Capture capture) {
        capture.image.checkSide(manifest.inputSize);
        Quality quality = Quality.judge(capture.image, capture.regionPx, manifest.quality);
        return assessment(quality, quality.reasons.isEmpty() ? engine.run(capture.image) : null);
    }

    /** One verdict on several frames of the same lesion. */
    public BurstAssessment assessBurst(List<CameraFrame> frames, Box box) {
        List<Assessment> singles = new ArrayList<>();
        for (CameraFrame frame : frames) {
            singles.add(assess(frame, box));
        }
        return BurstAssessment.combine(singles);
    }

    /**
     * One verdict on several upright pictures of the same lesion. Large photographs need not be in memory at once:
     * {@link BurstAssessment#combine} takes the verdicts on each.
     */
    public BurstAssessment assessPhotos(List<RgbImage> uprights, Box box) {
        List<Assessment> singles = new ArrayList<>();
        for (RgbImage upright : uprights) {
            singles.add(assess(upright, box));
        }
        return BurstAssessment.combine(singles);
    }

    @Override
    public void close() {
        engine.close();
    }

    /** The verdict that follows from quality and outputs; outputs are null where the picture is to be retaken. */
    Assessment assessment(Quality quality, Map<String, float[]> outputs) {
        if (outputs == null) {
            return new Assessment(Decision.RETAKE, null, null, Collections.<String, Double>emptyMap(), quality, point,
                    bundle.id, variant.name, engine.name(), null, variant.outlierLimit);
        }
        check(outputs.get("probabilities"), outputs.get("scores"));
        if (variant.outputs.containsKey("outlier") || outputs.containsKey("outlier")) {
            check(outputs.get("outlier"));
        }
        Map<String, Double> probabilities = new LinkedHashMap<>();
        for (int i = 0; i < manifest.classLabels.size(); i++) {
            probabilities.put(manifest.classLabels.get(i), share(outputs.get("probabilities")[i]));
        }
        double malignancy = score(outputs, "malignancy");
        Double outlier = outputs.containsKey("outlier") ? (Double) (double) outputs.get("outlier")[0] : null;
        Decision decision =
                Decision.decide(quality.reasons, malignancy, point.threshold, outlier, variant.outlierLimit);
        return new Assessment(decision, malignancy, score(outputs, "cancer"), Collections.unmodifiableMap(probabilities),
                quality, point, bundle.id, variant.name, engine.name(), outlier, variant.outlierLimit);
    }

    /** As `check_outputs` of mobile_runtime/engines.py: of outputs that are all zero, a verdict would reassure. */
    private void check(float[] probabilities, float[] scores) {
        if (probabilities == null || probabilities.length != manifest.classLabels.size()) {
            throw refused("not a probability for each class");
        }
        if (scores == null || scores.length != manifest.scores.size()) {
            throw refused("not the scores of the manifest");
        }
        double total = 0;
        for (float value : probabilities) {
            if (!near(value, share(value))) {
                throw refused("probabilities that are not from 0 to 1");
            }
            total += value;
        }
        for (int column = 0; column < scores.length; column++) {
            double sum = 0;
            for (int i = 0; i < probabilities.length; i++) {
                sum += manifest.scoreWeights.get(column)[i] * probabilities[i];
            }
            if (!near(scores[column], sum)) {
                throw refused("a " + manifest.scores.get(column) + " that is not the sum of its classes");
            }
        }
        if (!near(total, 1)) {
            throw refused("probabilities that do not sum to 1");
        }
    }

    private void check(float[] outlier) {
        if (outlier == null || outlier.length != 1 || Float.isNaN(outlier[0]) || Float.isInfinite(outlier[0])) {
            throw refused("not one finite outlier score");
        }
    }

    /** From 0 to 1: a sum of float probabilities may be above 1 by its rounding. */
    private static double share(double value) {
        return Math.min(1, Math.max(0, value));
    }

    /** False, too, where one is not a number. */
    private static boolean near(double found, double expected) {
        return Math.abs(found - expected) <= Constants.SUM_TOLERANCE;
    }

    private TriageException refused(String what) {
        return new TriageException.Inference("variant " + variant.name + " gave " + what + "; make the kit again", null);
    }

    private Double score(Map<String, float[]> outputs, String name) {
        int column = manifest.scores.indexOf(name);
        return column < 0 ? null : (Double) share(outputs.get("scores")[column]);
    }
}
