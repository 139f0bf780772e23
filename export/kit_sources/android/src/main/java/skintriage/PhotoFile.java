package skintriage;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/** A photograph as an encoded file. Decoders paint over what a file lacks, and a verdict would rest on half a lesion. */
public final class PhotoFile {
    /** A platform's decoder. */
    public interface Decoder {
        /** The sRGB picture of an image file, which has no EXIF: turned, if at all, as a HEIC's container says. */
        RgbImage decode(byte[] file) throws IOException;
    }

    private static final List<String> HEIC_BRANDS =
            Arrays.asList("heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs");
    private static final int BRANDS_END = 256;

    private PhotoFile() {}

    /**
     * The upright picture of a file that is whole. Decoders go by some of EXIF's orientations only, each by others, and so get
     * the file without them.
     *
     * @throws TriageException.Capture as `check`, where the decoder fails, or of a JPEG whose lower part is missing
     */
    public static RgbImage open(byte[] file, Decoder decoder) {
        check(file);
        RgbImage stored;
        try {
            stored = decoder.decode(withoutExif(file));
        } catch (IOException error) {
            throw new TriageException.Capture("damaged or truncated (" + error.getMessage() + "); take it again");
        }
        if (isJpeg(file) && endsUnwritten(stored, JpegStructure.isConverted(file))) {
            throw new TriageException.Capture("truncated, its lower part is missing; copy or take it again");
        }
        return stored.upright(orientation(file));
    }

    /**
     * Accepts JPEG, PNG, WebP and HEIC that are whole, as mobile_runtime/structure.py does. Of WebP drawings with plain areas
     * some are refused that Python, which looks at the pixels, too, accepts. In high dynamic range, read as sRGB, a picture is
     * flat, and what is referred otherwise may be reassured.
     *
     * @throws TriageException.Capture another format, empty, over 64 MiB, cut, damaged, with scans, a colour or pixels missing,
     *     with zeros in their place, of more scans or parts than cameras write, or in high dynamic range
     */
    public static void check(byte[] file) {
        if (file.length == 0) {
            throw new TriageException.Capture("the file is empty; copy or take it again");
        }
        if (file.length > Constants.MAX_BYTES) {
            throw new TriageException.Capture(
                    file.length + " bytes, the limit is " + Constants.MAX_BYTES + "; export a smaller image");
        }
        if (lacksPart(file)) {
            throw new TriageException.Capture("truncated or damaged, a part of it is missing; copy or take it again");
        }
        if (isPng(file) && PngStructure.isHdr(file) || isHeic(file) && HeicStructure.isHdr(file)
                || ColourProfile.isHdrOf(file)) {
            throw new TriageException.Capture(
                    "a high dynamic range picture; export it as JPEG or take it again without HDR");
        }
    }

    /** EXIF orientation, 1 to 8, as Python reads it: 1 where there is none, and of HEIC, which is as its container says. */
    public static int orientation(byte[] file) {
        return Orientation.of(file);
    }

    /** A copy of the file of which no decoder turns the picture by EXIF; `RgbImage.upright(orientation(file))` then does. */
    public static byte[] withoutExif(byte[] file) {
        return Orientation.withoutExif(file);
    }

    private static boolean lacksPart(byte[] file) {
        if (isJpeg(file)) {
            return JpegStructure.lacksPart(file);
        }
        if (isPng(file)) {
            return PngStructure.lacksPart(file);
        }
        if (isWebp(file)) {
            return WebpStructure.lacksPart(file);
        }
        if (isHeic(file)) {
            return HeicStructure.lacksPart(file);
        }
        throw new TriageException.Capture("not a JPEG, PNG, WebP or HEIC image; convert it first");
    }

    static boolean isJpeg(byte[] file) {
        return ascii(file, 0, 3).equals("\u00ff\u00d8\u00ff");
    }

    static boolean isPng(byte[] file) {
        return ascii(file, 0, 8).equals("\u0089PNG\r\n\u001a\n");
    }

    static boolean isWebp(byte[] file) {
        return ascii(file, 0, 4).equals("RIFF") && ascii(file, 8, 12).equals("WEBP");
    }

    /** Whether these transfer characteristics are PQ or HLG (ITU-T H.273, table 3). */
    static boolean isHdrTransfer(long transfer) {
        return transfer == 16 || transfer == 18;
    }

    private static boolean isHeic(byte[] file) {
        boolean found = false;
        if (ascii(file, 4, 8).equals("ftyp")) {
            long end = Math.min(bigEndian(file, 0, 4), BRANDS_END);
            for (int at = 8; at + 4 <= end; at += 4) {
                found |= HEIC_BRANDS.contains(ascii(file, at, at + 4));
            }
        }
        return found;
    }

    /**
     * Whether the last stored row ends in the grey that JPEG decoders leave where the data end early but an end marker follows.
     * Where colours are converted it is another grey; or, in the whole row, any one colour.
     */
    private static boolean endsUnwritten(RgbImage stored, boolean converted) {
        int corner = 3 * Math.min(stored.width, Constants.UNWRITTEN_PIXELS);
        return isOf(stored.rgb, corner, converted, 1) || converted && isOf(stored.rgb, 3 * stored.width, true, 3);
    }

    /** Whether so many last levels are of the last pixel's colour, a grey (`bands` 1) or any, and that not too dark or light. */
    private static boolean isOf(byte[] rgb, int levels, boolean converted, int bands) {
        for (int at = rgb.length - levels; at < rgb.length; at++) {
            int level = converted ? rgb[rgb.length - bands + at % bands] & 0xff : Constants.UNWRITTEN;
            boolean grey = level >= Constants.UNWRITTEN_MIN && level <= Constants.UNWRITTEN_MAX;
            if (!grey || Math.abs((rgb[at] & 0xff) - level) > 1) {
                return false;
            }
        }
        return true;
    }

    /** Bytes from here to there as characters; fewer where the file ends. */
    static String ascii(byte[] data, long from, long to) {
        int begin = (int) Math.min(from, data.length);
        return new String(data, begin, (int) Math.min(to, data.length) - begin, StandardCharsets.ISO_8859_1);
    }

    /** An unsigned number of up to 15 bytes; one that is far outside any file stays far outside. */
    static long bigEndian(byte[] data, long at, int size) {
        long value = 0;
        for (long i = at; i < at + size; i++) {
            value = Math.min(value, 1L << 50) << 8 | data[Math.toIntExact(i)] & 0xff;
        }
        return value;
    }
}
