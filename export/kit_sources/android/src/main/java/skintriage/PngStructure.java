package skintriage;

import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * PNG files of which a part is damaged or whose pixels run out, or are in high dynamic range: `_check_png` and `_lacks_rows` of
 * mobile_runtime/structure.py.
 */
final class PngStructure {
    /** Takes the type of a chunk, and begin and end of its content, which may be outside the file; false ends the walk. */
    interface Visitor {
        boolean visit(String kind, long begin, long end);
    }

    private static final String END = "IEND\u00aeB`\u0082";
    private static final int HEADER_END = 33;
    private static final int PIECE = 1 << 14;
    /** First column, first row and steps of each pass over a picture (PNG specification, 8.2). */
    private static final int[][] WHOLE = {{0, 0, 1, 1}};
    private static final int[][] ADAM7 = {
        {0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}
    };

    private PngStructure() {}

    /** Whether a part is not what its checksum is of, or the file ends within one or the pixels before the picture is whole. */
    static boolean lacksPart(byte[] data) {
        if (data.length < HEADER_END || !hasEnd(data)) {
            return true;
        }
        Inflater inflater = new Inflater();
        try {
            Pixels pixels = new Pixels(data, inflater);
            walk(data, pixels);
            return pixels.damaged || pixels.left > 0; // what follows is no part of the picture
        } catch (DataFormatException error) {
            return true;
        } finally {
            inflater.end();
        }
    }

    /** Whether it says that its levels are of PQ or HLG. */
    static boolean isHdr(byte[] data) {
        boolean[] found = {false};
        walk(data, (kind, begin, end) -> {
            boolean told = kind.equals("cICP") && end > begin + 1 && begin + 1 < data.length;
            found[0] = told && PhotoFile.isHdrTransfer(data[(int) begin + 1]);
            return !found[0];
        });
        return found[0];
    }

    /** Visits the chunks before the end. */
    static void walk(byte[] data, Visitor visitor) {
        boolean on = true;
        for (long at = 8; on && at + 8 <= data.length && !PhotoFile.ascii(data, at + 4, at + 8).equals("IEND"); ) {
            long end = at + 8 + PhotoFile.bigEndian(data, at, 4);
            on = visitor.visit(PhotoFile.ascii(data, at + 4, at + 8), at + 8, end);
            at = end + 4;
        }
    }

    private static boolean hasEnd(byte[] data) {
        int at = data.length - END.length();
        while (at >= 0 && !(data[at] == 'I' && PhotoFile.ascii(data, at, at + END.length()).equals(END))) {
            at--;
        }
        return at >= 0;
    }

    private static boolean isIntact(byte[] data, int from, int to) {
        CRC32 checksum = new CRC32();
        checksum.update(data, from, to - from);
        return checksum.getValue() == PhotoFile.bigEndian(data, to, 4);
    }

    /** Counts the bytes of pixels that are still to come. */
    private static final class Pixels implements Visitor {
        private final byte[] data;
        private final Inflater inflater;
        private long left;
        private boolean damaged;
        private int parts;

        Pixels(byte[] data, Inflater inflater) throws DataFormatException {
            this.data = data;
            this.inflater = inflater;
            left = rowBytes(data);
        }

        @Override
        public boolean visit(String kind, long begin, long end) {
            damaged = ++parts > Constants.MAX_PARTS; // no camera writes so many chunks
            damaged = damaged || end + 4 > data.length || !isIntact(data, (int) begin - 4, (int) end);
            if (!damaged && kind.equals("IDAT")) {
                damaged = !inflate((int) begin, (int) end);
            }
            return !damaged;
        }

        /** Takes the bytes of pixels that a chunk adds off those that are left; false if it is damaged. */
        private boolean inflate(int from, int to) {
            byte[] piece = new byte[PIECE];
            inflater.setInput(data, from, to - from);
            try {
                while (left > 0) {
                    int count = inflater.inflate(piece, 0, (int) Math.min(PIECE, left));
                    if (count == 0) {
                        break;
                    }
                    left -= count;
                }
                return true;
            } catch (DataFormatException error) {
                return false;
            }
        }
    }

    /** Bytes of all rows, filters included. */
    private static long rowBytes(byte[] data) throws DataFormatException {
        // Pictures of more are refused when they are decoded; their product must fit a number.
        long width = Math.min(PhotoFile.bigEndian(data, 16, 4), Constants.MAX_PIXELS);
        long height = Math.min(PhotoFile.bigEndian(data, 20, 4), Constants.MAX_PIXELS);
        long bits = (data[24] & 0xff) * channels(data[25]);
        long bytes = 0;
        for (int[] pass : data[28] == 0 ? WHOLE : ADAM7) {
            long columns = (width - pass[0] + pass[2] - 1) / pass[2];
            long rows = (height - pass[1] + pass[3] - 1) / pass[3];
            bytes += Math.min(columns, rows) > 0 ? rows * (1 + (columns * bits + 7) / 8) : 0;
        }
        return bytes;
    }

    private static long channels(int colour) throws DataFormatException {
        switch (colour) {
            case 0:
            case 3:
                return 1;
            case 2:
                return 3;
            case 4:
                return 2;
            case 6:
                return 4;
            default:
                throw new DataFormatException("no colour type of PNG");
        }
    }
}
