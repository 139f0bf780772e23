package skintriage;

import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Prints what the port makes of frames and outputs that no port vector can hold. */
public final class RefusalProbe {
    private static final int SIDE = 16;
    private static final int STRIDE = 4 * SIDE + 8;

    private RefusalProbe() {}

    /** One argument: the folder of the kit's assets. */
    public static void main(String[] arguments) {
        byte[] noise = new byte[SIDE * STRIDE];
        new Random(0).nextBytes(noise);
        print("ARGB", () -> frame(CameraFrame.Layout.RGBA, noise));
        byte[] opaque = noise.clone();
        for (int y = 0; y < SIDE; y++) {
            for (int x = 0; x < SIDE; x++) {
                opaque[y * STRIDE + 4 * x + 3] = -1;
            }
        }
        print("opaque RGBA", () -> frame(CameraFrame.Layout.RGBA, opaque));
        print("opaque BGRA", () -> frame(CameraFrame.Layout.BGRA, opaque));
        Bundle bundle = new Bundle(path -> Files.readAllBytes(Paths.get(arguments[0], path)));
        print("outputs", () -> assess(bundle, new float[] {0}));
        print("null for an outlier", () -> assess(bundle, null));
        print("a burst", () -> combine(bundle, "rule_out", "rule_out"));
        print("a burst of two points", () -> combine(bundle, "rule_out", "balanced"));
        print("a burst of nothing", () -> combine(bundle));
    }

    private static void combine(Bundle bundle, String... points) {
        List<Assessment> frames = new ArrayList<>();
        Quality blurred = new Quality(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, null, Arrays.asList(Reason.values()[0]));
        for (String point : points) {
            Triage triage = new Triage(bundle, bundle.manifest.variant(bundle.manifest.defaultVariant), engine(null), point);
            frames.add(triage.assessment(blurred, null));
        }
        BurstAssessment.combine(frames);
    }

    private static void frame(CameraFrame.Layout layout, byte[] data) {
        CameraFrame.packed(layout, new Plane(data, STRIDE, 4), SIDE, SIDE, 0, false).toRgb();
    }

    private static void assess(Bundle bundle, float[] outlier) {
        Manifest manifest = bundle.manifest;
        Map<String, float[]> outputs = new HashMap<>();
        float[] probabilities = new float[manifest.classLabels.size()];
        probabilities[0] = 1;
        float[] scores = new float[manifest.scores.size()];
        for (int i = 0; i < scores.length; i++) {
            scores[i] = (float) manifest.scoreWeights.get(i)[0];
        }
        outputs.put("probabilities", probabilities);
        outputs.put("scores", scores);
        outputs.put("outlier", outlier);
        Triage triage = new Triage(bundle, manifest.variant(manifest.defaultVariant), engine(outputs));
        triage.assessment(new Quality(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, null, new ArrayList<>()), outputs);
    }

    private static Engine engine(Map<String, float[]> outputs) {
        return new Engine() {
            @Override
            public String name() {
                return "none";
            }

            @Override
            public Map<String, float[]> run(RgbImage prepared) {
                return outputs;
            }

            @Override
            public void close() {}
        };
    }

    private static void print(String what, Runnable attempt) {
        try {
            attempt.run();
            System.out.println(what + ": taken");
        } catch (TriageException error) {
            System.out.println(what + ": " + error.getClass().getSimpleName());
        }
    }
}
