package skintriage;

import java.util.Arrays;

/** A camera frame in its sensor's orientation; `mobile_runtime/frames.py` states layouts and arithmetic. */
public final class CameraFrame {
    /** How channels lie in memory. */
    public enum Layout { RGB, RGBA, BGRA, YUV_420_888, NV21, NV12 }

    /** The YUV matrix; Android's YUV_420_888 is BT601 unless its data space says else. */
    public enum Matrix { BT601, BT709 }

    /** The YUV range; Android's YUV_420_888 is FULL unless its data space says else. */
    public enum Range { FULL, LIMITED }

    public final Layout layout;
    public final int width;
    public final int height;
    private final Plane[] planes;
    private final int[] coefficients;
    private final int rotation;
    private final boolean mirrored;

    private CameraFrame(Layout layout, Plane[] planes, int width, int height, Matrix matrix, Range range, int rotation,
            boolean mirrored) {
        this.layout = layout;
        this.planes = planes;
        this.width = width;
        this.height = height;
        this.rotation = rotation;
        this.mirrored = mirrored;
        if (rotation != 0 && rotation != 90 && rotation != 180 && rotation != 270) {
            throw new TriageException.Capture("rotation is " + rotation + "; give 0, 90, 180 or 270");
        }
        Capture.checkSize(width, height);
        if (channels() > 0) {
            planes[0].check(layout.name(), height, width, channels());
            if (channels() == 4) {
                checkOpaque();
            }
            coefficients = null;
            return;
        }
        if (matrix == null || range == null) {
            throw new TriageException.Capture(layout + " needs a matrix and a range");
        }
        if (width % 2 != 0 || height % 2 != 0) {
            throw new TriageException.Capture(
                    layout + " of " + width + "x" + height + ": sides must be even; crop the last row or column");
        }
        coefficients = Constants.COEFFICIENTS.get(Constants.code(matrix) + " " + Constants.code(range));
        planes[0].check("Y", height, width, 1);
        for (int i = 1; i < planes.length; i++) {
            planes[i].check("chroma " + i, height / 2, width / 2, layout == Layout.YUV_420_888 ? 1 : 2);
        }
    }

    /** RGB, RGBA or BGRA; cameras are opaque: a fourth byte must be the same in all pixels. The plane's pixel stride is 3 or 4. */
    public static CameraFrame packed(Layout layout, Plane plane, int width, int height, int rotation, boolean mirrored) {
        if (layout != Layout.RGB && layout != Layout.RGBA && layout != Layout.BGRA) {
            throw new TriageException.Capture(layout + " is not packed; use yuv420888 or semiPlanar");
        }
        return new CameraFrame(layout, new Plane[] {plane}, width, height, null, null, rotation, mirrored);
    }

    /** Three planes, as `android.media.Image` and CameraX's `ImageProxy` have them. */
    public static CameraFrame yuv420888(Plane y, Plane u, Plane v, int width, int height, Matrix matrix, Range range,
            int rotation, boolean mirrored) {
        Plane[] planes = {y, u, v};
        return new CameraFrame(Layout.YUV_420_888, planes, width, height, matrix, range, rotation, mirrored);
    }

    /** Luma and interleaved chroma (NV21: V first, NV12: U first); a null chroma follows `height` rows of luma. */
    public static CameraFrame semiPlanar(Layout layout, Plane luma, Plane chroma, int width, int height, Matrix matrix,
            Range range, int rotation, boolean mirrored) {
        if (layout != Layout.NV21 && layout != Layout.NV12) {
            throw new TriageException.Capture(layout + " is not semi-planar; use yuv420888 or packed");
        }
        Plane pairs = chroma;
        if (pairs == null) {
            Capture.checkSize(width, height);
            int start = (int) Math.min((long) luma.rowStride * height, luma.data.length);
            byte[] rest = Arrays.copyOfRange(luma.data, Math.max(0, start), luma.data.length);
            pairs = new Plane(rest, luma.rowStride, 2);
        }
        return new CameraFrame(layout, new Plane[] {luma, pairs}, width, height, matrix, range, rotation, mirrored);
    }

    /** The upright picture. */
    public RgbImage toRgb() {
        byte[] rgb = new byte[3 * width * height];
        if (channels() > 0) {
            unpack(rgb);
        } else {
            convert(rgb);
        }
        return new RgbImage(width, height, rgb).turned(rotation, mirrored);
    }

    private int channels() {
        return layout == Layout.RGB ? 3 : layout == Layout.RGBA || layout == Layout.BGRA ? 4 : 0;
    }

    /** Cameras are opaque: where the fourth byte is not the same in all pixels, it is a colour. */
    private void checkOpaque() {
        Plane plane = planes[0];
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                if (plane.data[y * plane.rowStride + x * plane.pixelStride + 3] != plane.data[3]) {
                    throw new TriageException.Capture("the fourth byte of " + layout
                            + " differs from pixel to pixel: is it ARGB? give the camera's layout");
                }
            }
        }
    }

    private void unpack(byte[] rgb) {
        Plane plane = planes[0];
        int red = layout == Layout.BGRA ? 2 : 0;
        for (int y = 0, out = 0; y < height; y++) {
            for (int x = 0; x < width; x++, out += 3) {
                int at = y * plane.rowStride + x * plane.pixelStride;
                rgb[out] = plane.data[at + red];
                rgb[out + 1] = plane.data[at + 1];
                rgb[out + 2] = plane.data[at + 2 - red];
            }
        }
    }

    private void convert(byte[] rgb) {
        Plane luma = planes[0];
        boolean paired = layout != Layout.YUV_420_888;
        Plane uPlane = planes[1];
        Plane vPlane = paired ? planes[1] : planes[2];
        int uOffset = layout == Layout.NV21 ? 1 : 0;
        int vOffset = layout == Layout.NV12 ? 1 : 0;
        int rounding = 1 << (Constants.FRACTION_BITS - 1);
        for (int y = 0, out = 0; y < height; y++) {
            for (int x = 0; x < width; x++, out += 3) {
                int brightness = luma.data[y * luma.rowStride + x * luma.pixelStride] & 0xff;
                int bright = (brightness - coefficients[0]) * coefficients[1] + rounding;
                int u = (uPlane.data[y / 2 * uPlane.rowStride + x / 2 * uPlane.pixelStride + uOffset] & 0xff)
                        - Constants.CHROMA_ZERO;
                int v = (vPlane.data[y / 2 * vPlane.rowStride + x / 2 * vPlane.pixelStride + vOffset] & 0xff)
                        - Constants.CHROMA_ZERO;
                rgb[out] = clip(bright + coefficients[2] * v);
                rgb[out + 1] = clip(bright + coefficients[3] * u + coefficients[4] * v);
                rgb[out + 2] = clip(bright + coefficients[5] * u);
            }
        }
    }

    private static byte clip(int value) {
        return (byte) Math.max(0, Math.min(255, value >> Constants.FRACTION_BITS));
    }
}
