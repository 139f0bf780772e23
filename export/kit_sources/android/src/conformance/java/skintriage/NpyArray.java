package skintriage;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A .npy file, version 1.0, C order, of bytes (|u1) or little-endian floats (<f4). */
final class NpyArray {
    private static final Pattern HEADER = Pattern.compile(
            "\\{'descr': '(\\|u1|<f4)', 'fortran_order': False, 'shape': \\(([0-9, ]*)\\), \\}\\s*");
    final int[] shape;
    final byte[] bytes;
    final float[] floats;

    NpyArray(byte[] file) {
        ByteBuffer buffer = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        int length = buffer.getShort(8) & 0xffff;
        Matcher header = HEADER.matcher(new String(file, 10, length, StandardCharsets.ISO_8859_1));
        if (file[6] != 1 || !header.matches()) {
            throw new TriageException.Bundle("not a plain .npy file; make the kit again");
        }
        String[] sides = header.group(2).replace(" ", "").split(",");
        shape = new int[sides.length];
        int size = 1;
        for (int i = 0; i < sides.length; i++) {
            shape[i] = Integer.parseInt(sides[i]);
            size *= shape[i];
        }
        buffer.position(10 + length);
        boolean real = header.group(1).equals("<f4");
        if (buffer.remaining() != (real ? 4L : 1L) * size) {
            throw new TriageException.Bundle("a .npy file of another length than its shape; make the kit again");
        }
        bytes = new byte[real ? 0 : size];
        floats = new float[real ? size : 0];
        if (real) {
            buffer.asFloatBuffer().get(floats);
        } else {
            buffer.get(bytes);
        }
    }

    RgbImage image() {
        return new RgbImage(shape[1], shape[0], bytes);
    }

    /** One row of the first axis. */
    float[] row(int index) {
        int length = floats.length / shape[0];
        return java.util.Arrays.copyOfRange(floats, index * length, (index + 1) * length);
    }
}
