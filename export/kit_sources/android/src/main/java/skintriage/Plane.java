package skintriage;

import java.nio.ByteBuffer;

/** One buffer of a camera frame; strides in bytes, the last row may end with its last sample. */
public final class Plane {
    public final byte[] data;
    public final int rowStride;
    public final int pixelStride;

    public Plane(byte[] data, int rowStride, int pixelStride) {
        this.data = data;
        this.rowStride = rowStride;
        this.pixelStride = pixelStride;
    }

    /** Copies a plane's buffer, so that the camera may have it back. */
    public static Plane copyOf(ByteBuffer buffer, int rowStride, int pixelStride) {
        ByteBuffer whole = buffer.duplicate();
        whole.rewind();
        byte[] data = new byte[whole.remaining()];
        whole.get(data);
        return new Plane(data, rowStride, pixelStride);
    }

    /** Refuses a plane that is too short for its strides. */
    void check(String name, int rows, int columns, int channels) {
        if (pixelStride < channels) {
            throw new TriageException.Capture("plane " + name + ": pixel stride " + pixelStride + " is under " + channels
                    + " bytes; read it off the camera");
        }
        long rowBytes = (columns - 1L) * pixelStride + channels;
        if (rowStride < rowBytes) {
            throw new TriageException.Capture("plane " + name + ": row stride " + rowStride + " is under the " + rowBytes
                    + " bytes of a row; give the stride in bytes");
        }
        long needed = (rows - 1L) * rowStride + rowBytes;
        if (data.length < needed) {
            throw new TriageException.Capture("plane " + name + ": " + data.length + " bytes, " + needed
                    + " needed; check width, height and strides, and pass the whole buffer");
        }
    }
}
