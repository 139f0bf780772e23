package skintriage;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The bundle's manifest, as far as an app needs it; the fields are those of `mobile_runtime/manifest.py`. */
public final class Manifest {
    public final String name;
    public final String version;
    public final String licence;
    public final String intendedUse;
    public final List<String> limitations;
    /** S: the model takes uint8 RGB [1, S, S, 3]. */
    public final int inputSize;
    public final List<String> classLabels;
    public final List<String> classNames;
    /** Names of the columns of the graph's scores. */
    public final List<String> scores;
    /** For each of them, what it is the sum of: a weight for each class. */
    final List<double[]> scoreWeights;
    public final String defaultVariant;
    public final String defaultOperatingPoint;
    public final QualityLimits quality;
    public final Map<String, Variant> variants;
    public final Map<String, FileEntry> files;

    /** One file of the closed list. */
    public static final class FileEntry {
        public final String sha256;
        public final long sizeBytes;

        FileEntry(Map<String, Object> fields) {
            sha256 = (String) fields.get("sha256");
            sizeBytes = Json.whole(fields.get("size_bytes"));
        }
    }

    /** Outside these an image is to be retaken. */
    public static final class QualityLimits {
        public final double sharpnessMin;
        public final double leastSharpnessMin;
        public final double evennessMin;
        public final double detailMin;
        public final double echoMax;
        public final double brightnessMin;
        public final double brightnessMax;
        public final double clippedMax;
        public final double highlightMax;
        public final double glareMax;
        public final double contrastMin;
        public final double colourMin;
        public final double warmthMin;
        public final long regionPxMin;

        QualityLimits(Map<String, Object> fields) {
            sharpnessMin = Json.number(fields.get("sharpness_min"));
            leastSharpnessMin = Json.number(fields.get("least_sharpness_min"));
            evennessMin = Json.number(fields.get("evenness_min"));
            detailMin = Json.number(fields.get("detail_min"));
            echoMax = Json.number(fields.get("echo_max"));
            brightnessMin = Json.number(fields.get("brightness_min"));
            brightnessMax = Json.number(fields.get("brightness_max"));
            clippedMax = Json.number(fields.get("clipped_max"));
            highlightMax = Json.number(fields.get("highlight_max"));
            glareMax = Json.number(fields.get("glare_max"));
            contrastMin = Json.number(fields.get("contrast_min"));
            colourMin = Json.number(fields.get("colour_min"));
            warmthMin = Json.number(fields.get("warmth_min"));
            regionPxMin = Json.whole(fields.get("region_px_min"));
        }
    }

    /** A measured value with its 95 % interval. */
    public static final class Estimate {
        public final double value;
        public final double low;
        public final double high;
        public final long n;

        Estimate(Map<String, Object> fields) {
            value = Json.number(fields.get("value"));
            low = Json.number(fields.get("low"));
            high = Json.number(fields.get("high"));
            n = Json.whole(fields.get("n"));
        }
    }

    /** A locked threshold: refer when malignancy >= threshold. */
    public static final class OperatingPoint {
        public final String name;
        public final double threshold;
        public final String aim;
        public final Estimate sensitivity;
        public final Estimate specificity;
        /** Where sensitivity and specificity were measured. */
        public final String dataset;

        OperatingPoint(String name, Map<String, Object> fields) {
            this.name = name;
            threshold = Json.number(fields.get("threshold"));
            require(threshold >= 0 && threshold <= 1, "threshold " + threshold + " is not from 0 to 1");
            aim = (String) fields.get("aim");
            sensitivity = new Estimate(Json.object(fields.get("sensitivity")));
            specificity = new Estimate(Json.object(fields.get("specificity")));
            dataset = (String) fields.get("dataset");
        }
    }

    /** One exported form of the model. */
    public static final class Variant {
        public final String name;
        public final String runtime;
        public final String path;
        public final String inputName;
        /** Role -> name of the graph's output. */
        public final Map<String, String> outputs;
        public final Map<String, OperatingPoint> operatingPoints;
        /** Abstain above it; null where the variant never abstains. */
        public final Double outlierLimit;

        Variant(Map<String, Object> fields) {
            name = (String) fields.get("name");
            runtime = (String) fields.get("runtime");
            path = (String) fields.get("path");
            inputName = (String) fields.get("input_name");
            Map<String, String> named = new LinkedHashMap<>();
            for (Map.Entry<String, Object> entry : Json.object(fields.get("outputs")).entrySet()) {
                named.put(entry.getKey(), (String) entry.getValue());
            }
            outputs = Collections.unmodifiableMap(named);
            Map<String, OperatingPoint> points = new LinkedHashMap<>();
            for (Map.Entry<String, Object> entry : Json.object(fields.get("operating_points")).entrySet()) {
                points.put(entry.getKey(), new OperatingPoint(entry.getKey(), Json.object(entry.getValue())));
            }
            operatingPoints = Collections.unmodifiableMap(points);
            // A key that is misspelt would let every outlier pass.
            require(fields.containsKey("abstention"), "variant " + name + " does not say when it abstains");
            Object abstention = fields.get("abstention");
            outlierLimit = abstention == null ? null : (Double) Json.number(Json.object(abstention).get("limit"));
            boolean complete = outputs.get("probabilities") != null && outputs.get("scores") != null;
            require(complete && (outlierLimit == null || outputs.get("outlier") != null),
                    "variant " + name + " lacks an output that its verdicts need");
        }

        /** The locked operating point of that name. */
        public OperatingPoint operatingPoint(String point) {
            OperatingPoint found = operatingPoints.get(point);
            if (found == null) {
                throw new TriageException.Bundle(
                        "variant " + name + ": no operating point " + point + "; there are " + operatingPoints.keySet());
            }
            return found;
        }
    }

    private Manifest(Map<String, Object> fields) {
        name = (String) fields.get("name");
        version = (String) fields.get("version");
        licence = (String) fields.get("licence");
        intendedUse = (String) fields.get("intended_use");
        limitations = Collections.unmodifiableList(Json.strings(fields.get("limitations")));
        Map<String, Object> input = Json.object(fields.get("input"));
        inputSize = Json.integer(input.get("size"));
        require(inputSize >= Constants.MIN_INPUT && inputSize <= Constants.MAX_INPUT, "an input of " + inputSize + " pixels");
        for (Map.Entry<String, String> entry : Constants.INPUT.entrySet()) {
            Object found = input.get(entry.getKey());
            require(entry.getValue().equals(found), "the input's " + entry.getKey() + " is " + found);
        }
        classLabels = unique("class label", column(fields.get("classes"), "label"));
        classNames = column(fields.get("classes"), "name");
        unique("class", column(fields.get("classes"), "node"));
        scores = unique("score", column(fields.get("scores"), "name"));
        require(scores.contains("malignancy"), "no score is malignancy");
        scoreWeights = weights(fields.get("scores"), classLabels.size());
        defaultVariant = (String) fields.get("default_variant");
        defaultOperatingPoint = (String) fields.get("default_operating_point");
        quality = new QualityLimits(Json.object(fields.get("quality")));
        Map<String, Variant> forms = new LinkedHashMap<>();
        for (Map.Entry<String, Object> entry : Json.object(fields.get("variants")).entrySet()) {
            Variant form = new Variant(Json.object(entry.getValue()));
            require(entry.getKey().equals(form.name), "variant " + entry.getKey() + " calls itself " + form.name);
            require(form.operatingPoints.containsKey(defaultOperatingPoint),
                    "variant " + form.name + " lacks operating point " + defaultOperatingPoint);
            forms.put(form.name, form);
        }
        variants = Collections.unmodifiableMap(forms);
        require(variants.containsKey(defaultVariant), "there is no default variant " + defaultVariant);
        Map<String, FileEntry> listed = new LinkedHashMap<>();
        for (Object entry : Json.list(fields.get("files"))) {
            listed.put((String) Json.object(entry).get("path"), new FileEntry(Json.object(entry)));
        }
        files = Collections.unmodifiableMap(listed);
    }

    /** Reads manifest.json; a schema version other than this kit's is refused. */
    public static Manifest parse(String json) {
        try {
            Map<String, Object> fields = Json.object(Json.parse(json));
            int schema = Json.integer(fields.get("schema_version"));
            if (schema != Constants.SCHEMA_VERSION) {
                throw new TriageException.Bundle("manifest of schema version " + schema + ", this kit reads "
                        + Constants.SCHEMA_VERSION + "; make the kit again from the bundle");
            }
            return new Manifest(fields);
        } catch (ClassCastException | NullPointerException error) {
            throw new TriageException.Bundle("malformed manifest (" + error.getMessage() + "); make the kit again");
        }
    }

    /** The variant of that name. */
    public Variant variant(String wanted) {
        Variant found = variants.get(wanted);
        if (found == null) {
            throw new TriageException.Bundle("no variant " + wanted + "; there are " + variants.keySet());
        }
        return found;
    }

    private static List<double[]> weights(Object rows, int classes) {
        List<double[]> found = new ArrayList<>();
        for (Object row : Json.list(rows)) {
            List<Object> values = Json.list(Json.object(row).get("weights"));
            require(values.size() == classes, "a score's weights are " + values.size() + ", the classes " + classes);
            double[] weights = new double[classes];
            for (int i = 0; i < classes; i++) {
                weights[i] = Json.number(values.get(i));
                require(weights[i] == 0 || weights[i] == 1, "a score's weight is " + weights[i]);
            }
            found.add(weights);
        }
        return Collections.unmodifiableList(found);
    }

    private static void require(boolean right, String fault) {
        if (!right) {
            throw new TriageException.Bundle("malformed manifest: " + fault + "; make the kit again");
        }
    }

    private static List<String> unique(String what, List<String> names) {
        require(new HashSet<>(names).size() == names.size(), "a " + what + " is there twice: " + names);
        return names;
    }

    private static List<String> column(Object rows, String field) {
        List<String> values = new ArrayList<>();
        for (Object row : Json.list(rows)) {
            values.add((String) Json.object(row).get(field));
        }
        return Collections.unmodifiableList(values);
    }
}
