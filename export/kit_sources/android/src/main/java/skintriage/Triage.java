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

    /** The verdict on a normalized capture, which must be of the model's size: quality's figures and its limits are for that one. */
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
        for (String role : new String[] {"probabilities", "scores"}) {
            for (float value : outputs.get(role)) {
                if (Float.isNaN(value) || Float.isInfinite(value)) {
                    throw new TriageException.Inference("variant " + variant.name + " gave scores that are not numbers", null);
                }
            }
        }
        Map<String, Double> probabilities = new LinkedHashMap<>();
        for (int i = 0; i < manifest.classLabels.size(); i++) {
            probabilities.put(manifest.classLabels.get(i), (double) outputs.get("probabilities")[i]);
        }
        double malignancy = score(outputs, "malignancy");
        Double outlier = outputs.containsKey("outlier") ? (Double) (double) outputs.get("outlier")[0] : null;
        Decision decision =
                Decision.decide(quality.reasons, malignancy, point.threshold, outlier, variant.outlierLimit);
        return new Assessment(decision, malignancy, score(outputs, "cancer"), Collections.unmodifiableMap(probabilities),
                quality, point, bundle.id, variant.name, engine.name(), outlier, variant.outlierLimit);
    }

    private Double score(Map<String, float[]> outputs, String name) {
        int column = manifest.scores.indexOf(name);
        return column < 0 ? null : (Double) (double) outputs.get("scores")[column];
    }
}
