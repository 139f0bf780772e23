package skintriage;

import java.util.Map;

/** Runs one variant of the model. */
public interface Engine extends AutoCloseable {
    /** Runtime and kernels, for the record. */
    String name();

    /**
     * Runs a prepared image.
     *
     * @return role (probabilities, scores, outlier) -> values of that one image
     * @throws TriageException.Inference the runtime failed
     */
    Map<String, float[]> run(RgbImage prepared);

    @Override
    void close();
}
