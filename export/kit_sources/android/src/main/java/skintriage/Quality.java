package skintriage;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Quality figures of an S x S image, ratios of integer sums; `mobile_runtime/quality.py` says what they mean. */
public final class Quality {
    public final double sharpness;
    public final double leastSharpness;
    public final double evenness;
    public final double detail;
    public final double echo;
    public final double brightness;
    public final double clipped;
    public final double highlight;
    public final double glare;
    public final double contrast;
    public final double colour;
    public final double warmth;
    /** Null if unknown. */
    public final Integer regionPx;
    /** Every limit that is not kept; empty for a good image. */
    public final List<Reason> reasons;

    Quality(double sharpness, double leastSharpness, double evenness, double detail, double echo, double brightness,
            double clipped, double highlight, double glare, double contrast, double colour, double warmth,
            Integer regionPx, List<Reason> reasons) {
        this.sharpness = sharpness;
        this.leastSharpness = leastSharpness;
        this.evenness = evenness;
        this.detail = detail;
        this.echo = echo;
        this.brightness = brightness;
        this.clipped = clipped;
        this.highlight = highlight;
        this.glare = glare;
        this.contrast = contrast;
        this.colour = colour;
        this.warmth = warmth;
        this.regionPx = regionPx;
        this.reasons = Collections.unmodifiableList(reasons);
    }

    /** Measures a prepared image and names the limits that it does not keep; a null regionPx skips that limit. */
    public static Quality judge(RgbImage image, Integer regionPx, Manifest.QualityLimits limits) {
        int side = image.width;
        int n = side * side;
        long[] luma = new long[n];
        long total = 0;
        long reds = 0;
        long blues = 0;
        long white = 0;
        for (int i = 0; i < n; i++) {
            luma[i] = luma(image.rgb, 3 * i);
            total += luma[i];
            reds += image.rgb[3 * i] & 0xff;
            blues += image.rgb[3 * i + 2] & 0xff;
            white += low(image.rgb, 3 * i) >= Constants.WHITE ? 1 : 0;
        }
        int around = surround(luma, side);
        long bright = 0;
        long hidden = 0;
        long middle = 0;
        for (int i = 0; i < n; i++) {
            int low = low(image.rgb, 3 * i);
            int tint = high(image.rgb, 3 * i) - low;
            boolean above = luma[i] * n >= total + (long) Constants.GLARE_STEP * n;
            boolean nearWhite = low >= Constants.GLARE_FLOOR && tint <= Constants.GLARE_TINT;
            bright += nearWhite && above ? 1 : 0;
            boolean shining = nearWhite && luma[i] >= around + Constants.HIGHLIGHT_STEP;
            middle += isInMiddle(i, side) ? 1 : 0;
            hidden += isInMiddle(i, side) && (shining || low >= Constants.WHITE) ? 1 : 0;
        }
        long[] pairs = blockSums(luma, side, 2);
        long[] bends = bends(pairs, side / 2);
        long least = Math.min(Math.min(bends[1], bends[2]), Math.min(bends[3], bends[4]));
        long most = Math.max(Math.max(bends[1], bends[2]), Math.max(bends[3], bends[4]));
        long cells = (long) (side / 2 - 2) * (side / 2 - 2);
        double deviations = deviation(luma) + Constants.NOISE;
        double edges = Math.sqrt((double) bends[0] / (16 * cells));
        double sharpness = edges / deviations;
        double detail = edges / 255.0;
        double echo = echo(pairs, side / 2);
        double leastSharpness = Math.sqrt((double) least / (32 * cells)) / deviations;
        double evenness = most > 0 ? Math.sqrt((double) least / most) : 1;
        double brightness = total / (255.0 * n);
        double clipped = (double) white / n;
        double highlight = (double) hidden / middle;
        double glare = (double) bright / n;
        double contrast =
                deviation(blockSums(luma, side, Constants.BLOCK)) / (255.0 * Constants.BLOCK * Constants.BLOCK);
        double colour = colour(image.rgb, side);
        double warmth = (double) (reds - blues) / Math.max(1, reds + blues);
        boolean uniform = contrast < limits.contrastMin;
        List<Reason> reasons = new ArrayList<>();
        add(reasons, Reason.TOO_SMALL, regionPx != null && regionPx < limits.regionPxMin);
        add(reasons, Reason.TOO_DARK, brightness < limits.brightnessMin);
        add(reasons, Reason.TOO_BRIGHT, brightness > limits.brightnessMax);
        add(reasons, Reason.CLIPPED, clipped > limits.clippedMax);
        add(reasons, Reason.GLARE, glare > limits.glareMax || highlight > limits.highlightMax);
        boolean smeared = leastSharpness < limits.leastSharpnessMin && evenness < limits.evennessMin;
        add(reasons, Reason.BLURRED, sharpness < limits.sharpnessMin || detail < limits.detailMin || smeared);
        add(reasons, Reason.DOUBLED, echo > limits.echoMax);
        add(reasons, Reason.UNIFORM, uniform);
        add(reasons, Reason.COLOURLESS, colour < limits.colourMin && !uniform);
        add(reasons, Reason.BLUE_CAST, warmth < limits.warmthMin);
        return new Quality(sharpness, leastSharpness, evenness, detail, echo, brightness, clipped, highlight, glare,
                contrast, colour, warmth, regionPx, reasons);
    }

    private static void add(List<Reason> reasons, Reason reason, boolean found) {
        if (found) {
            reasons.add(reason);
        }
    }

    /** The level that nine tenths of the pixels outside the middle are not above. */
    private static int surround(long[] luma, int side) {
        long[] counts = new long[256];
        long all = 0;
        for (int i = 0; i < luma.length; i++) {
            if (!isInMiddle(i, side)) {
                counts[(int) luma[i]]++;
                all++;
            }
        }
        int level = 0;
        for (long upto = counts[0]; 10 * upto < Constants.SURROUND_TENTHS * all; upto += counts[level]) {
            level++;
        }
        return level;
    }

    /** Whether a pixel is in the middle, half of the picture a side. */
    private static boolean isInMiddle(int pixel, int side) {
        int column = pixel % side;
        int row = pixel / side;
        int quarter = side / 4;
        return Math.min(column, row) >= quarter && Math.max(column, row) < side - quarter;
    }

    private static int luma(byte[] rgb, int at) {
        int weighted = Constants.LUMA_RED * (rgb[at] & 0xff)
                + Constants.LUMA_GREEN * (rgb[at + 1] & 0xff)
                + Constants.LUMA_BLUE * (rgb[at + 2] & 0xff);
        return (weighted + (1 << (Constants.LUMA_BITS - 1))) >> Constants.LUMA_BITS;
    }

    private static int low(byte[] rgb, int at) {
        return Math.min(rgb[at] & 0xff, Math.min(rgb[at + 1] & 0xff, rgb[at + 2] & 0xff));
    }

    private static int high(byte[] rgb, int at) {
        return Math.max(rgb[at] & 0xff, Math.max(rgb[at + 1] & 0xff, rgb[at + 2] & 0xff));
    }

    /** How differently the channels vary, once all have mean 0 and the same deviation, relative to the brightness. */
    private static double colour(byte[] rgb, int side) {
        long[][] channels = new long[3][];
        double[] deviations = new double[3];
        long total = 0;
        for (int c = 0; c < 3; c++) {
            long[] values = new long[side * side];
            for (int i = 0; i < values.length; i++) {
                values[i] = rgb[3 * i + c] & 0xff;
            }
            channels[c] = blockSums(values, side, Constants.COLOUR_BLOCK);
            deviations[c] = Math.sqrt((double) spread(channels[c], channels[c]));
            total += sum(channels[c]);
        }
        double apart = 0;
        for (int a = 0; a < 2; a++) {
            for (int b = a + 1; b < 3; b++) {
                apart += Math.max(0, deviations[a] * deviations[b] - (double) spread(channels[a], channels[b]));
            }
        }
        return Math.min(1, Math.sqrt(6 * apart) / Math.max(1, total));
    }

    private static long sum(long[] values) {
        long total = 0;
        for (long value : values) {
            total += value;
        }
        return total;
    }

    /** The number of values squared times their covariance. */
    private static long spread(long[] first, long[] second) {
        long products = 0;
        for (int i = 0; i < first.length; i++) {
            products += first[i] * second[i];
        }
        return first.length * products - sum(first) * sum(second);
    }

    /** Population standard deviation from integer sums. */
    private static double deviation(long[] values) {
        long n = values.length;
        long total = 0;
        long squares = 0;
        for (long value : values) {
            total += value;
            squares += value * value;
        }
        return Math.sqrt((double) (n * squares - total * total) / (n * n));
    }

    /** Sums over blocks; rows and columns that do not fill a block are left out. */
    private static long[] blockSums(long[] values, int side, int block) {
        int blocks = side / block;
        long[] sums = new long[blocks * blocks];
        for (int y = 0; y < blocks * block; y++) {
            for (int x = 0; x < blocks * block; x++) {
                sums[y / block * blocks + x / block] += values[y * side + x];
            }
        }
        return sums;
    }

    /**
     * Sums of squares over cells of 2 x 2 pixels: of the 4-neighbour Laplacian, then of twice the second differences along
     * rows, columns and diagonals, where the axes' count twice since diagonal neighbours are farther.
     */
    private static long[] bends(long[] pairs, int side) {
        int[] steps = {1, side, side + 1, side - 1};
        long[] sums = new long[1 + steps.length];
        for (int y = 1; y < side - 1; y++) {
            for (int x = 1; x < side - 1; x++) {
                int at = y * side + x;
                long laplacian = 0;
                for (int i = 0; i < steps.length; i++) {
                    long bend = 2 * pairs[at] - pairs[at - steps[i]] - pairs[at + steps[i]];
                    boolean alongAxis = i < 2;
                    laplacian += alongAxis ? bend : 0;
                    sums[1 + i] += (alongAxis ? 2 : 1) * bend * bend;
                }
                sums[0] += laplacian * laplacian;
            }
        }
        return sums;
    }

    /** How far the highest peak of the autocorrelation of the Laplacian's signs stands above the ring around it. */
    private static double echo(long[] pairs, int across) {
        int side = across - 2;
        int reach = across / Constants.ECHO_SHARE;
        int[] signs = new int[side * side];
        for (int i = 0; i < signs.length; i++) {
            int at = (i / side + 1) * across + i % side + 1;
            signs[i] = Long.signum(
                    4 * pairs[at] - pairs[at - 1] - pairs[at + 1] - pairs[at - across] - pairs[at + across]);
        }
        int far = reach + 2;
        double[] likeness = new double[(2 * far + 1) * (2 * far + 1)];
        for (int y = 0; y <= far; y++) {
            for (int x = -far; x <= far; x++) {
                long count = 0;
                for (int row = 0; row < side - y; row++) {
                    int to = (row + y) * side + x;
                    for (int column = Math.max(0, -x); column < side - Math.max(0, x); column++) {
                        count += signs[row * side + column] * signs[to + column];
                    }
                }
                double share = (double) count / ((side - y) * (side - Math.abs(x)));
                likeness[place(y, x, far)] = share;
                likeness[place(-y, -x, far)] = share;
            }
        }
        double all = likeness[place(0, 0, far)];
        double highest = 0;
        for (int y = -reach; y <= reach; y++) {
            for (int x = -reach; x <= reach; x++) {
                if (y * y + x * x >= 4 && y * y + x * x <= reach * reach) {
                    highest = Math.max(highest, likeness[place(y, x, far)] - around(likeness, y, x, far));
                }
            }
        }
        return all > 0 ? highest / all : 0;
    }

    private static int place(int y, int x, int far) {
        return (y + far) * (2 * far + 1) + x + far;
    }

    /** The highest value on a ring of two steps. */
    private static double around(double[] likeness, int y, int x, int far) {
        double highest = Double.NEGATIVE_INFINITY;
        for (int dy = -2; dy <= 2; dy++) {
            for (int dx = -2; dx <= 2; dx++) {
                if (dy * dy + dx * dx >= 4 && dy * dy + dx * dx <= 5) {
                    highest = Math.max(highest, likeness[place(y + dy, x + dx, far)]);
                }
            }
        }
        return highest;
    }
}
