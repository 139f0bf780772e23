package org.tensorflow.lite;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Map;

/** Not LiteRT: its signatures alone, so that the one class of the kit that needs it compiles, with outputs made of the input. */
public final class Interpreter implements AutoCloseable {
    public static class Options {
        public Options setNumThreads(int threads) {
            return this;
        }

        public Options setUseXNNPACK(boolean use) {
            return this;
        }
    }

    public Interpreter(ByteBuffer model, Options options) {
        if (!model.isDirect() || model.order() != ByteOrder.nativeOrder() || model.position() != 0) {
            throw new IllegalArgumentException("a model must be a direct buffer in native order, from its start");
        }
    }

    /** Output i of a role is the input's byte i plus the role's rank among the names in alphabetical order. */
    public void runSignature(Map<String, Object> inputs, Map<String, Object> outputs) {
        ByteBuffer image = (ByteBuffer) inputs.values().iterator().next();
        int rank = 0;
        for (String name : new java.util.TreeSet<>(outputs.keySet())) {
            FloatBuffer output = (FloatBuffer) outputs.get(name);
            for (int i = 0; output.hasRemaining(); i++) {
                output.put((image.get(i) & 0xff) + rank);
            }
            rank++;
        }
    }

    @Override
    public void close() {}
}
