package skintriage;

import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/** PNG files whose pixels are damaged or run out: `_check_png` and `_lacks_rows` of mobile_runtime/structure.py. */
final class PngStructure {
    private static final String END = "IEND\u00aeB`\u0082";
    private static final int HEADER_END = 33;
    private static final int PIECE = 1 << 14;
    /** First column, first row and steps of each pass over a picture (PNG specification, 8.2). */
    private static final int[][] WHOLE = {{0, 0, 1, 1}};
    private static final int[][] ADAM7 = {
        {0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}
    };

    private PngStructure() {}

    /** Whether the pixels are not what their checksums are of, or end within a chunk or before the picture is whole. */
    static boolean lacksPart(byte[] data) {
        if (data.length < HEADER_END || !hasEnd(data)) {
            return true;
        }
        Inflater inflater = new Inflater();
        try {
            long left = rowBytes(data);
            long at = 8;
            for (int part = 0; part < Constants.MAX_PARTS; part++) {
                String kind = PhotoFile.ascii(data, at + 4, at + 8);
                if (at + 8 > data.length || kind.equals("IEND")) {
                    return left > 0; // what follows is no part of the picture
                }
                long stop = at + 8 + PhotoFile.bigEndian(data, at, 4);
                if (kind.equals("IDAT")) {
                    if (stop + 4 > data.length || !isIntact(data, (int) at + 4, (int) stop)) {
                        return true;
                    }
                    left -= inflate(inflater, data, (int) at + 8, (int) stop, left);
                }
                at = stop + 4;
            }
            return true; // no camera writes so many chunks
        } catch (DataFormatException error) {
            return true;
        } finally {
            inflater.end();
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

    /** How many bytes of pixels a chunk adds, of at most those that are left. */
    private static long inflate(Inflater inflater, byte[] data, int from, int to, long left) throws DataFormatException {
        byte[] piece = new byte[PIECE];
        long found = 0;
        inflater.setInput(data, from, to - from);
        while (found < left) {
            int count = inflater.inflate(piece, 0, (int) Math.min(PIECE, left - found));
            if (count == 0) {
                break;
            }
            found += count;
        }
        return found;
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
