package skintriage;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.tensorflow.lite.Interpreter;

/** LiteRT on the CPU (XNNPACK). The one class of the kit that needs a library: com.google.ai.edge.litert:litert. */
public final class LiteRtEngine implements Engine {
    private final Manifest manifest;
    private final Manifest.Variant variant;
    private final Interpreter interpreter;
    private final ByteBuffer input;

    /** Opens a variant; the model's hash is checked before the interpreter sees a byte. */
    public LiteRtEngine(Bundle bundle, Manifest.Variant variant, int threads) {
        manifest = bundle.manifest;
        this.variant = variant;
        byte[] data = bundle.model(variant);
        // The interpreter reads the model in place, and only from direct memory in native order.
        ByteBuffer model = direct(data.length);
        model.put(data);
        model.rewind();
        input = direct(3 * manifest.inputSize * manifest.inputSize);
        try {
            Interpreter.Options options = new Interpreter.Options();
            options.setNumThreads(threads);
            options.setUseXNNPACK(true);
            interpreter = new Interpreter(model, options);
        } catch (RuntimeException error) {
            throw new TriageException.Inference("variant " + variant.name + ": LiteRT refuses it", error);
        }
    }

    @Override
    public String name() {
        return "LiteRT (XNNPACK)";
    }

    @Override
    public synchronized Map<String, float[]> run(RgbImage prepared) {
        // In a buffer that is not filled to its end, the rest is of the picture before.
        prepared.checkSide(manifest.inputSize);
        input.clear();
        input.put(prepared.rgb);
        input.rewind();
        Map<String, Object> inputs = new HashMap<>();
        inputs.put(variant.inputName, input);
        Map<String, Object> outputs = new HashMap<>();
        Map<String, float[]> found = new LinkedHashMap<>();
        for (Map.Entry<String, String> entry : variant.outputs.entrySet()) {
            found.put(entry.getKey(), new float[length(entry.getKey())]);
            outputs.put(entry.getValue(), FloatBuffer.wrap(found.get(entry.getKey())));
        }
        try {
            interpreter.runSignature(inputs, outputs);
        } catch (RuntimeException error) {
            throw new TriageException.Inference("variant " + variant.name + ": LiteRT fails on an image", error);
        }
        return found;
    }

    @Override
    public synchronized void close() {
        interpreter.close();
    }

    private int length(String role) {
        return role.equals("probabilities") ? manifest.classLabels.size()
                : role.equals("scores") ? manifest.scores.size() : 1;
    }

    private static ByteBuffer direct(int size) {
        return ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder());
    }
}
