package skintriage;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Replays the bundle's golden vectors and the kit's port vectors, stage by stage, each from what is recorded of the stage
 * before; `mobile_runtime/golden.py` describes them. It needs nothing but Java 8: run it on a JVM, or in an instrumented
 * test with an engine and ImageDecoder as decoder.
 */
public final class Conformance {
    private static final String[] STAGES =
            {"constants", "upright", "prepared", "quality", "outputs", "decision", "pipeline", "port"};
    private final Bundle bundle;
    private final Bundle.Files files;
    private final PhotoFile.Decoder decoder;
    private final Manifest.Variant variant;
    private final Engine engine;
    private final Map<String, int[]> counts = new LinkedHashMap<>();
    private final List<String> details = new ArrayList<>();

    /**
     * Prepares a replay.
     *
     * @param files the folder with golden/ and port.json
     * @param decoder as the app decodes; it gives null where this platform cannot
     * @param variant the one that the engine runs; null without an engine
     * @param engine null takes the recorded outputs in place of inference
     */
    public Conformance(Bundle bundle, Bundle.Files files, PhotoFile.Decoder decoder, Manifest.Variant variant,
            Engine engine) {
        this.bundle = bundle;
        this.files = files;
        this.decoder = decoder;
        this.variant = variant;
        this.engine = engine;
    }

    /** Runs every stage, prints counts, and gives the number of mismatches. */
    public int run(PrintStream out) throws IOException {
        for (String stage : STAGES) {
            counts.put(stage, new int[3]);
        }
        Map<String, Object> golden = read(Constants.GOLDEN);
        List<Object> cases = Json.list(golden.get("cases"));
        checkConstants(golden);
        for (Object item : cases) {
            replayCase(Json.object(item), Json.number(golden.get("quality_tolerance")));
        }
        for (Map.Entry<String, Object> entry : Json.object(golden.get("variants")).entrySet()) {
            Manifest.Variant form = bundle.manifest.variant(entry.getKey());
            Map<String, Object> vectors = Json.object(entry.getValue());
            replayOutputs(form, vectors, cases);
            replayRules(form, vectors);
            replayDecisions(form, vectors, cases);
        }
        replayPort(read("port.json"));
        for (Object item : Json.list(read("port.json").get("turned"))) {
            replayTurned(Json.object(item));
        }
        int mismatches = 0;
        for (Map.Entry<String, int[]> entry : counts.entrySet()) {
            int[] count = entry.getValue();
            mismatches += count[1];
            String skipped = count[2] == 0 ? "" : ", " + count[2] + " not run here";
            out.println(String.format("%-10s %4d cases, %d mismatches%s", entry.getKey(), count[0], count[1], skipped));
        }
        for (String detail : details) {
            out.println("  " + detail);
        }
        out.println(mismatches == 0 ? "conforms" : "does not conform: " + mismatches + " mismatches");
        return mismatches;
    }

    private void checkConstants(Map<String, Object> golden) {
        check("constants", "input size", Json.integer(golden.get("input_size")) == bundle.manifest.inputSize);
        List<String> codes = new ArrayList<>();
        for (Reason reason : Reason.values()) {
            codes.add(reason.code());
        }
        check("constants", "reasons", codes.equals(new ArrayList<>(Constants.ADVICE.keySet())));
        codes.clear();
        for (Decision decision : Decision.values()) {
            codes.add(decision.code());
        }
        check("constants", "decisions", codes.equals(new ArrayList<>(Constants.MEANING.keySet())));
    }

    private void replayCase(Map<String, Object> fields, double qualityTolerance) throws IOException {
        String name = (String) fields.get("name");
        RgbImage upright = array(fields.get("upright")).image();
        RgbImage prepared = array(fields.get("prepared")).image();
        byte[] source = files.read((String) fields.get("source"));
        Object frame = fields.get("frame");
        if (frame == null) {
            check("upright", name + ": the file is refused", accepts(source, null));
        }
        RgbImage decoded = frame == null ? decode(source) : frame(Json.object(frame), source).toRgb();
        if (decoded == null) {
            skip("upright", name + ": no decoder for this file");
        } else {
            int difference = difference(decoded, upright);
            int tolerance = Json.integer(fields.get("upright_tolerance"));
            check("upright", name + ": off by " + difference + " levels", difference <= tolerance);
        }
        Capture capture = Capture.normalize(upright, bundle.manifest.inputSize, null);
        int regionPx = Json.integer(fields.get("region_px"));
        check("prepared", name, difference(capture.image, prepared) == 0 && capture.regionPx == regionPx);
        Quality quality = Quality.judge(prepared, regionPx, bundle.manifest.quality);
        checkQuality("quality", name, quality, fields, qualityTolerance);
    }

    /** The upright picture of a file; null where this platform cannot decode it. */
    private RgbImage decode(byte[] file) throws IOException {
        return decoder.decode(file) == null ? null : PhotoFile.open(file, decoder);
    }

    private static Quality unmeasured(List<Reason> reasons) {
        return new Quality(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, null, reasons);
    }

    private void checkQuality(String stage, String name, Quality quality, Map<String, Object> fields, double tolerance) {
        Map<String, Object> expected = Json.object(fields.get("quality"));
        boolean figures = near(quality.sharpness, expected.get("sharpness"), tolerance)
                && near(quality.leastSharpness, expected.get("least_sharpness"), tolerance)
                && near(quality.evenness, expected.get("evenness"), tolerance)
                && near(quality.detail, expected.get("detail"), tolerance)
                && near(quality.echo, expected.get("echo"), tolerance)
                && near(quality.brightness, expected.get("brightness"), tolerance)
                && near(quality.clipped, expected.get("clipped"), tolerance)
                && near(quality.highlight, expected.get("highlight"), tolerance)
                && near(quality.glare, expected.get("glare"), tolerance)
                && near(quality.contrast, expected.get("contrast"), tolerance)
                && near(quality.colour, expected.get("colour"), tolerance)
                && near(quality.warmth, expected.get("warmth"), tolerance);
        String found = ": found sharpness " + quality.sharpness + ", " + quality.leastSharpness + " at least, evenness "
                + quality.evenness + ", detail " + quality.detail + ", echo " + quality.echo
                + ", brightness " + quality.brightness + ", clipped " + quality.clipped + ", of the middle " + quality.highlight + ", glare " + quality.glare + ", contrast " + quality.contrast
                + ", colour " + quality.colour + ", warmth " + quality.warmth + ", " + quality.reasons;
        check(stage, name + found, figures && quality.reasons.equals(reasons(fields)));
    }

    private void replayOutputs(Manifest.Variant form, Map<String, Object> vectors, List<Object> cases) throws IOException {
        List<Object> recordings = Json.list(vectors.get("recordings"));
        boolean own = engine != null && form.name.equals(variant.name);
        if (!own || recordings.isEmpty()) {
            skip("outputs", null);
            return;
        }
        Map<String, Object> paths = Json.object(Json.object(recordings.get(0)).get("outputs"));
        Map<String, Object> tolerances = Json.object(vectors.get("tolerance"));
        for (int row = 0; row < cases.size(); row++) {
            Map<String, Object> fields = Json.object(cases.get(row));
            Map<String, float[]> found = engine.run(array(fields.get("prepared")).image());
            for (Map.Entry<String, Object> path : paths.entrySet()) {
                float[] expected = array(path.getValue()).row(row);
                float[] values = found.get(path.getKey());
                double tolerance = Json.number(Json.object(tolerances.get(path.getKey())).get("other"));
                double worst = values.length == expected.length ? 0 : Double.POSITIVE_INFINITY;
                for (int i = 0; i < expected.length && worst <= tolerance; i++) {
                    double difference = Math.abs((double) values[i] - expected[i]);
                    worst = difference >= 0 ? Math.max(worst, difference) : Double.POSITIVE_INFINITY;
                }
                String what = form.name + ", " + fields.get("name") + ", " + path.getKey();
                check("outputs", what + ": off by " + worst, worst <= tolerance);
            }
        }
    }

    private void replayRules(Manifest.Variant form, Map<String, Object> vectors) {
        for (Object item : Json.list(vectors.get("rules"))) {
            Map<String, Object> rule = Json.object(item);
            double threshold = form.operatingPoint((String) rule.get("operating_point")).threshold;
            double malignancy = Json.number(rule.get("malignancy"));
            Double outlier = (Double) rule.get("outlier");
            Decision found = Decision.decide(reasons(rule), malignancy, threshold, outlier, form.outlierLimit);
            check("decision", form.name + ", rule at " + malignancy, found.code().equals(rule.get("decision")));
        }
    }

    /** The decision from recorded outputs, then the whole pipeline from the recorded upright picture with them. */
    private void replayDecisions(Manifest.Variant form, Map<String, Object> vectors, List<Object> cases)
            throws IOException {
        List<Object> recordings = Json.list(vectors.get("recordings"));
        if (recordings.isEmpty()) {
            return;
        }
        final Map<String, NpyArray> recorded = new LinkedHashMap<>();
        Map<String, Object> paths = Json.object(Json.object(recordings.get(0)).get("outputs"));
        for (Map.Entry<String, Object> path : paths.entrySet()) {
            recorded.put(path.getKey(), array(path.getValue()));
        }
        for (Map.Entry<String, Object> entry : Json.object(vectors.get("decisions")).entrySet()) {
            double threshold = form.operatingPoint(entry.getKey()).threshold;
            List<String> expected = Json.strings(entry.getValue());
            for (int row = 0; row < cases.size(); row++) {
                Map<String, Object> fields = Json.object(cases.get(row));
                Map<String, float[]> outputs = new LinkedHashMap<>();
                for (Map.Entry<String, NpyArray> role : recorded.entrySet()) {
                    outputs.put(role.getKey(), role.getValue().row(row));
                }
                double malignancy = outputs.get("scores")[bundle.manifest.scores.indexOf("malignancy")];
                Double outlier = outputs.containsKey("outlier") ? (Double) (double) outputs.get("outlier")[0] : null;
                Decision found = Decision.decide(reasons(fields), malignancy, threshold, outlier, form.outlierLimit);
                String what = form.name + ", " + entry.getKey() + ", " + fields.get("name");
                check("decision", what, found.code().equals(expected.get(row)));
                Recorded playback = new Recorded(array(fields.get("prepared")).image(), outputs);
                Triage triage = new Triage(bundle, form, playback, entry.getKey());
                try {
                    RgbImage upright = array(fields.get("upright")).image();
                    Assessment assessed = triage.assess(upright, null);
                    Assessment twice = triage.assessPhotos(Arrays.asList(upright, upright), null).assessment;
                    boolean scored = assessed.malignancy != null && assessed.malignancy == malignancy;
                    boolean agrees = assessed.decision.code().equals(expected.get(row));
                    boolean same = twice.decision == assessed.decision
                            && Objects.equals(twice.malignancy, assessed.malignancy);
                    check("pipeline", what, agrees && same && scored == (assessed.decision != Decision.RETAKE));
                } catch (TriageException error) {
                    check("pipeline", what + ": " + error.getMessage(), false);
                }
            }
        }
    }

    private void replayPort(Map<String, Object> port) {
        for (Object item : Json.list(port.get("frames"))) {
            Map<String, Object> fields = Json.object(item);
            String name = "frame " + fields.get("frame");
            try {
                RgbImage found = frame(Json.object(fields.get("frame")), hex(fields.get("data"))).toRgb();
                boolean right = fields.get("rgb") != null && difference(found, image(fields, "rgb")) == 0;
                check("port", name, right);
            } catch (TriageException.Capture error) {
                check("port", name + ": " + error.getMessage(), fields.get("rgb") == null);
            }
        }
        for (Object item : Json.list(port.get("captures"))) {
            Map<String, Object> fields = Json.object(item);
            String name = "capture of " + fields.get("width") + "x" + fields.get("height") + ", box " + fields.get("box");
            try {
                int size = Json.integer(fields.get("size"));
                Capture found = Capture.normalize(image(fields, "rgb"), size, box(fields.get("box")));
                boolean right = fields.get("prepared") != null && Arrays.equals(found.image.rgb, hex(fields.get("prepared")));
                check("port", name, right && found.regionPx == Json.integer(fields.get("region_px")));
                if (right) {
                    Quality quality = Quality.judge(found.image, found.regionPx, bundle.manifest.quality);
                    checkQuality("port", name, quality, fields, Json.number(port.get("quality_tolerance")));
                    check("port", name + ": judged at another size than the model's", refuses(found));
                }
            } catch (TriageException.Capture error) {
                check("port", name + ": " + error.getMessage(), fields.get("prepared") == null);
            }
        }
        for (Object item : Json.list(port.get("bursts"))) {
            replayBurst(Json.object(item));
        }
        for (Object item : Json.list(port.get("outputs"))) {
            replayRefusal(Json.object(item));
        }
        for (Object item : Json.list(port.get("manifests"))) {
            replayManifest(Json.object(item));
        }
        for (Object item : Json.list(port.get("files"))) {
            Map<String, Object> fields = Json.object(item);
            byte[] file = hex(fields.get("data"));
            check("port", "file: " + fields.get("name"), fields.get("accepted").equals(accepts(file, null)));
        }
        for (Object item : Json.list(port.get("edges"))) {
            Map<String, Object> fields = Json.object(item);
            boolean accepted = accepts(hex(fields.get("data")), image(fields, "rgb"));
            check("port", "edge: " + fields.get("name"), fields.get("accepted").equals(accepted));
        }
    }

    /** What EXIF says of a file, that it can be hidden, and what a decoder then makes of it. */
    private void replayTurned(Map<String, Object> fields) throws IOException {
        String name = "turned: " + fields.get("name");
        byte[] file = hex(fields.get("data"));
        byte[] hidden = PhotoFile.withoutExif(file);
        int found = PhotoFile.orientation(file);
        boolean right = found == Json.integer(fields.get("orientation")) && PhotoFile.orientation(hidden) == 1;
        check("port", name + ": orientation " + found, right && accepts(hidden, null));
        RgbImage decoded = decode(file);
        if (decoded == null) {
            skip("upright", null);
        } else {
            int difference = difference(decoded, image(fields, "rgb"));
            int tolerance = Json.integer(fields.get("tolerance"));
            check("upright", name + ": off by " + difference + " levels", difference <= tolerance);
        }
    }

    /** Whether a file is taken for whole; with what a decoder gives of it, or null for what its bytes say alone. */
    private static boolean accepts(byte[] file, RgbImage decoded) {
        try {
            if (decoded == null) {
                PhotoFile.check(file);
            } else {
                PhotoFile.open(file, data -> decoded);
            }
            return true;
        } catch (TriageException.Capture error) {
            return false;
        }
    }

    private void replayRefusal(Map<String, Object> fields) {
        Manifest.Variant form = bundle.manifest.variant((String) fields.get("variant"));
        boolean accepted = true;
        try {
            Quality good = unmeasured(new ArrayList<>());
            new Triage(bundle, form, new Recorded(null, null)).assessment(good, outputs(fields));
        } catch (TriageException.Inference error) {
            accepted = false;
        }
        check("port", "outputs: " + fields.get("name"), fields.get("accepted").equals(accepted));
    }

    private void replayManifest(Map<String, Object> fields) {
        String find = (String) fields.get("find");
        int at = bundle.text.indexOf(find);
        String text = bundle.text.substring(0, at) + fields.get("replace") + bundle.text.substring(at + find.length());
        boolean accepted = true;
        try {
            Manifest.parse(text);
        } catch (TriageException.Bundle error) {
            accepted = false;
        }
        check("port", "manifest: " + fields.get("name"), fields.get("accepted").equals(accepted));
    }

    private static Map<String, float[]> outputs(Map<String, Object> fields) {
        Map<String, float[]> outputs = new LinkedHashMap<>();
        for (Map.Entry<String, Object> role : Json.object(fields.get("outputs")).entrySet()) {
            List<Object> values = Json.list(role.getValue());
            float[] row = new float[values.size()];
            for (int i = 0; i < row.length; i++) {
                // What JSON has no number for is a string, as "NaN".
                Object value = values.get(i);
                row[i] = value instanceof String ? Float.parseFloat((String) value) : (float) Json.number(value);
            }
            outputs.put(role.getKey(), row);
        }
        return outputs;
    }

    /** Whether a capture is refused for its size; right as well where that is the model's. */
    private boolean refuses(Capture capture) {
        if (capture.image.width == bundle.manifest.inputSize) {
            return true;
        }
        Manifest.Variant form = bundle.manifest.variant(bundle.manifest.defaultVariant);
        try {
            new Triage(bundle, form, new Recorded(capture.image, null)).assess(capture);
            return false;
        } catch (TriageException.Capture error) {
            return true;
        }
    }

    private void replayBurst(Map<String, Object> fields) {
        Manifest.Variant form = bundle.manifest.variant((String) fields.get("variant"));
        String point = (String) fields.get("operating_point");
        Triage triage = new Triage(bundle, form, new Recorded(null, null), point);
        List<Assessment> frames = new ArrayList<>();
        for (Object item : Json.list(fields.get("frames"))) {
            Map<String, Object> frame = Json.object(item);
            Quality quality = unmeasured(reasons(frame));
            frames.add(triage.assessment(quality, quality.reasons.isEmpty() ? outputs(frame) : null));
        }
        BurstAssessment found = BurstAssessment.combine(frames);
        Map<String, Object> expected = Json.object(fields.get("verdict"));
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("decision", found.assessment.decision.code());
        values.put("malignancy", found.assessment.malignancy);
        values.put("cancer", found.assessment.cancer);
        values.put("outlier", found.assessment.outlier);
        values.put("probabilities", found.assessment.probabilities);
        values.put("usable", (double) found.usable);
        values.put("spread", found.spread);
        values.put("agreement", found.agreement);
        values.put("advice", found.assessment.advice());
        check("port", "burst at " + point + ": " + values + " instead of " + expected, values.equals(expected));
    }

    /** Gives recorded outputs, and fails on any image but the recorded one. */
    private static final class Recorded implements Engine {
        private final RgbImage prepared;
        private final Map<String, float[]> outputs;

        Recorded(RgbImage prepared, Map<String, float[]> outputs) {
            this.prepared = prepared;
            this.outputs = outputs;
        }

        @Override
        public String name() {
            return "recorded";
        }

        @Override
        public Map<String, float[]> run(RgbImage image) {
            if (!Arrays.equals(image.rgb, prepared.rgb)) {
                throw new TriageException.Inference("not the recorded image", null);
            }
            return outputs;
        }

        @Override
        public void close() {}
    }

    private void check(String stage, String what, boolean right) {
        counts.get(stage)[0]++;
        if (!right) {
            counts.get(stage)[1]++;
            details.add("mismatch, " + stage + ": " + what);
        }
    }

    private void skip(String stage, String why) {
        counts.get(stage)[2]++;
        if (why != null) {
            details.add("not run, " + stage + ": " + why);
        }
    }

    private Map<String, Object> read(String path) throws IOException {
        return Json.object(Json.parse(new String(files.read(path), StandardCharsets.UTF_8)));
    }

    private NpyArray array(Object path) throws IOException {
        return new NpyArray(files.read((String) path));
    }

    private static CameraFrame frame(Map<String, Object> fields, byte[] data) {
        List<Plane> planes = new ArrayList<>();
        for (Object item : Json.list(fields.get("planes"))) {
            Map<String, Object> plane = Json.object(item);
            int offset = Json.integer(plane.get("offset"));
            byte[] part = Arrays.copyOfRange(data, offset, offset + Json.integer(plane.get("length")));
            int pixelStride = Json.integer(plane.get("pixel_stride"));
            planes.add(new Plane(part, Json.integer(plane.get("row_stride")), pixelStride));
        }
        CameraFrame.Layout layout = Constants.fromCode(CameraFrame.Layout.class, (String) fields.get("layout"));
        int width = Json.integer(fields.get("width"));
        int height = Json.integer(fields.get("height"));
        int rotation = Json.integer(fields.get("rotation"));
        boolean mirrored = (Boolean) fields.get("mirrored");
        if (fields.get("matrix") == null) {
            return CameraFrame.packed(layout, planes.get(0), width, height, rotation, mirrored);
        }
        CameraFrame.Matrix matrix = Constants.fromCode(CameraFrame.Matrix.class, (String) fields.get("matrix"));
        CameraFrame.Range range = Constants.fromCode(CameraFrame.Range.class, (String) fields.get("value_range"));
        Plane second = planes.size() > 1 ? planes.get(1) : null;
        if (layout == CameraFrame.Layout.YUV_420_888) {
            Plane third = planes.get(2);
            return CameraFrame.yuv420888(planes.get(0), second, third, width, height, matrix, range, rotation, mirrored);
        }
        return CameraFrame.semiPlanar(layout, planes.get(0), second, width, height, matrix, range, rotation, mirrored);
    }

    private static RgbImage image(Map<String, Object> fields, String key) {
        return new RgbImage(Json.integer(fields.get("width")), Json.integer(fields.get("height")), hex(fields.get(key)));
    }

    private static Box box(Object edges) {
        if (edges == null) {
            return null;
        }
        int[] box = new int[4];
        for (int i = 0; i < box.length; i++) {
            box[i] = Json.integer(Json.list(edges).get(i));
        }
        return new Box(box[0], box[1], box[2], box[3]);
    }

    private static List<Reason> reasons(Map<String, Object> fields) {
        List<Reason> reasons = new ArrayList<>();
        for (String code : Json.strings(fields.get("reasons"))) {
            reasons.add(Constants.fromCode(Reason.class, code));
        }
        return reasons;
    }

    private static byte[] hex(Object value) {
        String digits = (String) value;
        byte[] data = new byte[digits.length() / 2];
        for (int i = 0; i < data.length; i++) {
            data[i] = (byte) Integer.parseInt(digits.substring(2 * i, 2 * i + 2), 16);
        }
        return data;
    }

    private static boolean near(double found, Object expected, double tolerance) {
        return Math.abs(found - Json.number(expected)) <= tolerance;
    }

    /** The largest difference in levels of 255; a difference in size counts as more than any. */
    private static int difference(RgbImage found, RgbImage expected) {
        if (found.width != expected.width || found.height != expected.height) {
            return Integer.MAX_VALUE;
        }
        int largest = 0;
        for (int i = 0; i < found.rgb.length; i++) {
            largest = Math.max(largest, Math.abs((found.rgb[i] & 0xff) - (expected.rgb[i] & 0xff)));
        }
        return largest;
    }
}
