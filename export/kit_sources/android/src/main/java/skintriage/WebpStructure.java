package skintriage;

import java.util.Arrays;

/** WebP files whose rest is missing. */
final class WebpStructure {
    private WebpStructure() {}

    /**
     * Whether the file is shorter than it says, its picture ends in zeros, or a lossy one has a run of them, as no whole
     * photograph has.
     */
    static boolean lacksPart(byte[] data) {
        long end = 8 + littleEndian(data, 4);
        if (end > data.length) {
            return true;
        }
        long at = 12;
        for (int part = 0; at + 8 <= end; part++) {
            if (part == Constants.MAX_PARTS) {
                return true;
            }
            String kind = PhotoFile.ascii(data, at, at + 4);
            long length = littleEndian(data, (int) at + 4);
            long stop = Math.min(end, at + 8 + length);
            if (kind.equals("VP8 ") || kind.equals("VP8L")) {
                return hasZeros(data, (int) at + 8, (int) stop, kind.equals("VP8 "));
            }
            if (kind.equals("ANMF")) {
                end = stop; // the first picture counts
                at += 24;
            } else {
                at += 8 + length + length % 2;
            }
        }
        return false;
    }

    /** The colour profile, which is before the picture; empty where there is none. */
    static byte[] profile(byte[] data) {
        long end = Math.min(data.length, 8 + littleEndian(data, 4));
        long at = 12;
        for (int part = 0; part < Constants.MAX_PARTS && at + 8 <= end; part++) {
            long stop = at + 8 + littleEndian(data, (int) at + 4);
            if (PhotoFile.ascii(data, at, at + 4).equals("ICCP")) {
                return Arrays.copyOfRange(data, (int) at + 8, (int) Math.min(stop, end));
            }
            at = stop + stop % 2;
        }
        return new byte[0];
    }

    private static boolean hasZeros(byte[] data, int from, int to, boolean anywhere) {
        int zeros = 0;
        for (int at = from; at < to; at++) {
            zeros = data[at] != 0 ? 0 : zeros + 1;
            if (anywhere && zeros > Constants.MAX_ZEROS) {
                return true;
            }
        }
        return zeros > Constants.MAX_ZEROS;
    }

    static long littleEndian(byte[] data, int at) {
        return Integer.toUnsignedLong(Integer.reverseBytes((int) PhotoFile.bigEndian(data, at, 4)));
    }
}
