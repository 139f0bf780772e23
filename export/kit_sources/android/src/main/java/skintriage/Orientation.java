package skintriage;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.zip.CRC32;

/**
 * How EXIF says that a picture is turned, read from the bytes as the Python runtime reads it. Decoders go by some of it only, each
 * by another part, and a verdict would rest on a picture on its side.
 */
final class Orientation {
    /** A part of a file with EXIF; `name` is where it says that it is one. */
    private static final class Part {
        final int name;
        final int begin;
        final int end;

        Part(long name, long begin, long end) {
            this.name = (int) name;
            this.begin = (int) begin;
            this.end = (int) end;
        }
    }

    private static final String HEAD = "Exif\0\0";
    /** Headers that Pillow reads on from: also with the number 42 in the other byte order, and with a larger one. */
    private static final List<String> TIFF = Arrays.asList("MM\0*", "II*\0", "MM*\0", "II\0*", "MM\0+");
    private static final int TAG = 0x0112;
    /** Bytes of a value of each type from 0 on (TIFF 6.0, section 2, and its supplement); 0 where there is none. */
    private static final int[] BYTES = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8};
    private static final int MOST = 8;
    /** A letter that makes a name of each a name that nobody knows. */
    private static final byte OTHER = 'p';

    private Orientation() {}

    /** 1 to 8; 1 where there is none, and of HEIC, which decoders turn as the container says. */
    static int of(byte[] data) {
        try {
            double value = first(exif(data));
            return value >= 1 && value < MOST + 1 ? (int) value : 1;
        } catch (ArithmeticException | IndexOutOfBoundsException error) {
            return 1; // a length or offset points outside
        }
    }

    /** A copy of the file in which no decoder finds EXIF, so that none turns the picture. */
    static byte[] withoutExif(byte[] data) {
        byte[] copy = data.clone();
        boolean png = PhotoFile.isPng(data);
        for (Part part : parts(data)) {
            copy[part.name] = OTHER;
            if (png && part.end + 4 <= copy.length) {
                CRC32 checksum = new CRC32();
                checksum.update(copy, part.name, part.end - part.name);
                ByteBuffer.wrap(copy).putInt(part.end, (int) checksum.getValue());
            }
        }
        return copy;
    }

    private static byte[] exif(byte[] data) {
        List<Part> parts = parts(data);
        if (PhotoFile.isPng(data) && !parts.isEmpty()) {
            parts = parts.subList(parts.size() - 1, parts.size());
        }
        if (PhotoFile.isWebp(data) && !parts.isEmpty()) {
            boolean told = PhotoFile.ascii(data, 12, 16).equals("VP8X") && (data[20] & 8) != 0;
            parts = parts.subList(0, told ? 1 : 0);
        }
        ByteArrayOutputStream joined = new ByteArrayOutputStream();
        for (Part part : parts) {
            joined.write(data, part.begin, part.end - part.begin);
        }
        return joined.toByteArray();
    }

    /** The value of the first entry for it, of whatever type; not a number where there is none. */
    private static double first(byte[] exif) {
        int start = 0;
        while (PhotoFile.ascii(exif, start, start + HEAD.length()).equals(HEAD)) {
            start += HEAD.length();
        }
        if (!TIFF.contains(PhotoFile.ascii(exif, start, start + 4))) {
            return Double.NaN;
        }
        ByteBuffer tiff = ByteBuffer.wrap(exif, start, exif.length - start).slice();
        tiff.order(exif[start] == 'I' ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
        int entry = Math.toIntExact(unsigned(tiff, 4) + 2);
        int entries = tiff.getShort(entry - 2) & 0xffff;
        long elsewhere = 0;
        for (int i = 0; i < entries; i++, entry += 12) {
            long offset = unsigned(tiff, entry + 8);
            int type = tiff.getShort(entry + 2) & 0xffff;
            long size = unsigned(tiff, entry + 4) * (type < BYTES.length ? BYTES[type] : 0);
            if (size > 4) {
                elsewhere += size;
                if (elsewhere > tiff.limit()) {
                    continue;
                }
                if (offset + size > tiff.limit()) {
                    return Double.NaN; // where Pillow stops
                }
            }
            if (size > 0 && (tiff.getShort(entry) & 0xffff) == TAG) {
                return value(tiff, type, size, size > 4 ? (int) offset : entry + 8);
            }
        }
        return Double.NaN;
    }

    private static double value(ByteBuffer tiff, int type, long size, int at) {
        switch (type) {
            case 1:
            case 2:
            case 7:
                boolean alone = size == 1 || type == 2 && size == 2 && tiff.get(at + 1) == 0;
                return alone ? tiff.get(at) - '0' : Double.NaN; // a digit
            case 3:
                return tiff.getShort(at) & 0xffff;
            case 4:
            case 13:
                return unsigned(tiff, at);
            case 5:
                return (double) unsigned(tiff, at) / unsigned(tiff, at + 4);
            case 6:
                return tiff.get(at);
            case 8:
                return tiff.getShort(at);
            case 9:
                return tiff.getInt(at);
            case 10:
                return (double) tiff.getInt(at) / tiff.getInt(at + 4);
            case 11:
                return tiff.getFloat(at);
            case 12:
                return tiff.getDouble(at);
            case 16:
                return tiff.getLong(at);
            default:
                return Double.NaN;
        }
    }

    private static long unsigned(ByteBuffer tiff, int at) {
        return Integer.toUnsignedLong(tiff.getInt(at));
    }

    private static List<Part> parts(byte[] data) {
        if (PhotoFile.isJpeg(data)) {
            return jpegParts(data);
        }
        if (PhotoFile.isPng(data)) {
            return pngParts(data);
        }
        return PhotoFile.isWebp(data) ? webpParts(data) : Collections.emptyList();
    }

    /** Of the header alone; decoders read one after the other as one. */
    private static List<Part> jpegParts(byte[] data) {
        List<Part> found = new ArrayList<>();
        int at = 0;
        for (int part = 0; part < Constants.MAX_PARTS; part++) {
            int marker = JpegStructure.nextMarker(data, at);
            int kind = marker + 3 < data.length ? data[marker + 1] & 0xff : JpegStructure.SCAN;
            if (kind == JpegStructure.SCAN) {
                break;
            }
            at = marker + 2;
            if (kind == JpegStructure.START || kind == JpegStructure.END) {
                continue;
            }
            int name = at + 2;
            at += Math.max(2, (int) PhotoFile.bigEndian(data, at, 2));
            int end = Math.min(at, data.length);
            // Some take what has another byte after the name for EXIF, too: it must not turn the picture.
            boolean known = PhotoFile.ascii(data, name, name + HEAD.length()).equals(HEAD);
            if (kind == 0xe1 && PhotoFile.ascii(data, name, Math.min(name + 4, end)).equals("Exif")) {
                found.add(new Part(name, known ? Math.min(name + HEAD.length(), end) : end, end));
            }
        }
        return found;
    }

    /** Before the pixels or behind them; the last one counts. */
    private static List<Part> pngParts(byte[] data) {
        List<Part> found = new ArrayList<>();
        PngStructure.walk(data, (kind, begin, end) -> {
            if (kind.equals("eXIf")) {
                found.add(new Part(begin - 4, begin, Math.min(end, data.length)));
            }
            return true;
        });
        return found;
    }

    /** The first one counts, where the header says that there is one. */
    private static List<Part> webpParts(byte[] data) {
        List<Part> found = new ArrayList<>();
        long stop = Math.min(data.length, 8 + WebpStructure.littleEndian(data, 4));
        for (long at = 12; at + 8 <= stop; ) {
            long length = WebpStructure.littleEndian(data, (int) at + 4);
            if (PhotoFile.ascii(data, at, at + 4).equals("EXIF")) {
                found.add(new Part(at, at + 8, Math.min(stop, at + 8 + length)));
            }
            at += 8 + length + length % 2;
        }
        return found;
    }
}
