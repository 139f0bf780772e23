import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.Map;
import skintriage.Bundle;
import skintriage.LiteRtEngine;
import skintriage.Manifest;
import skintriage.RgbImage;
import skintriage.TriageException;

/** Opens a kit's variant with the stand-in of LiteRT and prints the lengths and first values of its outputs. */
public final class EngineProbe {
    public static void main(String[] arguments) throws Exception {
        Bundle bundle = new Bundle(path -> Files.readAllBytes(Paths.get(arguments[0], path)));
        Manifest.Variant variant = bundle.manifest.variant(arguments[1]);
        int size = bundle.manifest.inputSize;
        byte[] rgb = new byte[3 * size * size];
        Arrays.fill(rgb, (byte) 200);
        try (LiteRtEngine engine = new LiteRtEngine(bundle, variant, 1)) {
            engine.run(new RgbImage(size, size, rgb));
            for (Map.Entry<String, float[]> entry : engine.run(new RgbImage(size, size, rgb)).entrySet()) {
                System.out.println(entry.getKey() + " " + entry.getValue().length + " " + entry.getValue()[0]);
            }
            for (int other : new int[] {size - 1, size + 1}) {
                try {
                    engine.run(new RgbImage(other, other, new byte[3 * other * other]));
                } catch (TriageException.Capture error) {
                    System.out.println("refused " + other);
                }
            }
        }
    }
}
