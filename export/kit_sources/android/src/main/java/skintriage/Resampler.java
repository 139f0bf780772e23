package skintriage;

/**
 * Pillow's antialiased bilinear resize in integers, to the bit; `mobile_runtime/resample.py` states the arithmetic.
 * Never replace it with Bitmap.createScaledBitmap: that is another filter and changes scores.
 */
final class Resampler {
    private Resampler() {}

    static RgbImage resample(RgbImage image, Box crop, int size) {
        if (size < 1 || size > Constants.MAX_TARGET) {
            throw new TriageException.Capture("size " + size + " is not from 1 to " + Constants.MAX_TARGET);
        }
        Weights across = new Weights(crop.width(), size);
        byte[] rows = new byte[3 * size * crop.height()];
        for (int y = 0; y < crop.height(); y++) {
            int from = 3 * ((crop.top + y) * image.width + crop.left);
            for (int x = 0; x < size; x++) {
                for (int channel = 0; channel < 3; channel++) {
                    rows[3 * (y * size + x) + channel] =
                            across.sum(x, image.rgb, from + 3 * across.first[x] + channel, 3);
                }
            }
        }
        Weights down = new Weights(crop.height(), size);
        byte[] out = new byte[3 * size * size];
        for (int y = 0; y < size; y++) {
            int from = 3 * size * down.first[y];
            for (int at = 0; at < 3 * size; at++) {
                out[3 * size * y + at] = down.sum(y, rows, from + at, 3 * size);
            }
        }
        return new RgbImage(size, size, out);
    }

    /** Fixed-point weights of a pass from n to size pixels; one that keeps its length comes out as it went in. */
    private static final class Weights {
        final int[] first;
        final int[][] weight;

        Weights(int n, int size) {
            first = new int[size];
            weight = new int[size][];
            double scale = (double) n / size;
            double support = Math.max(scale, 1.0);
            double inverse = 1.0 / support;
            for (int i = 0; i < size; i++) {
                double centre = (i + 0.5) * scale;
                first[i] = Math.max(0, (int) (centre - support + 0.5));
                double[] shares = new double[Math.min(n, (int) (centre + support + 0.5)) - first[i]];
                double total = 0;
                for (int j = 0; j < shares.length; j++) {
                    shares[j] = Math.max(0.0, 1.0 - Math.abs((j + first[i] - centre + 0.5) * inverse));
                    total += shares[j];
                }
                weight[i] = new int[shares.length];
                for (int j = 0; j < shares.length; j++) {
                    weight[i][j] = (int) (0.5 + shares[j] / total * (1 << Constants.WEIGHT_BITS));
                }
            }
        }

        byte sum(int i, byte[] values, int from, int step) {
            int sum = 1 << (Constants.WEIGHT_BITS - 1);
            int at = from;
            for (int share : weight[i]) {
                sum += share * (values[at] & 0xff);
                at += step;
            }
            return (byte) Math.max(0, Math.min(255, sum >> Constants.WEIGHT_BITS));
        }
    }
}
