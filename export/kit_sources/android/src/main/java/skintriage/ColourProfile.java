package skintriage;

import java.util.Arrays;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/** What a file's colour profile says of dynamic range: `check_profile` of mobile_runtime/structure.py. */
final class ColourProfile {
    private static final int TAGS = 0x84;
    private static final int ENTRY = 12;
    private static final int LONGEST = 1 << 20;

    private ColourProfile() {}

    /** Whether a JPEG, PNG or WebP has a profile of PQ or HLG; of HEIC see {@link HeicStructure#isHdr}. */
    static boolean isHdrOf(byte[] file) {
        byte[] profile = PhotoFile.isJpeg(file) ? JpegStructure.profile(file)
                : PhotoFile.isPng(file) ? unpacked(file)
                : PhotoFile.isWebp(file) ? WebpStructure.profile(file) : new byte[0];
        return isHdr(profile, 0, profile.length);
    }

    /** Whether the profile from here to there says by its tag `cicp` (ICC.1:2022, 9.2.17) that it is of PQ or HLG. */
    static boolean isHdr(byte[] data, int begin, int end) {
        if (end - begin < TAGS) {
            return false;
        }
        long last = Math.min(TAGS + ENTRY * PhotoFile.bigEndian(data, begin + TAGS - 4, 4), end - begin - ENTRY + 1L);
        for (int at = begin + TAGS; at < begin + last; at += ENTRY) {
            long place = begin + PhotoFile.bigEndian(data, at + 4, 4);
            boolean told = PhotoFile.ascii(data, at, at + 4).equals("cicp") && place + ENTRY <= end
                    && PhotoFile.ascii(data, place, place + 4).equals("cicp");
            if (told && PhotoFile.isHdrTransfer(data[(int) place + 9])) {
                return true;
            }
        }
        return false;
    }

    /** The profile of a PNG, or its first MiB. */
    private static byte[] unpacked(byte[] png) {
        byte[][] found = {new byte[0]};
        PngStructure.walk(png, (kind, begin, end) -> {
            if (!kind.equals("iCCP") || end > png.length) {
                return true;
            }
            int at = (int) begin;
            while (at < end && png[at] != 0) {
                at++; // its name
            }
            found[0] = inflate(png, at + 2, (int) end); // and the method, of which there is one
            return false;
        });
        return found[0];
    }

    private static byte[] inflate(byte[] data, int begin, int end) {
        Inflater inflater = new Inflater();
        byte[] content = new byte[LONGEST];
        int length = 0;
        try {
            inflater.setInput(data, begin, Math.max(0, end - begin));
            for (int more = 1; more > 0; length += more) {
                more = inflater.inflate(content, length, content.length - length);
            }
        } catch (DataFormatException | IndexOutOfBoundsException error) {
            return new byte[0]; // no profile that a decoder could obey
        } finally {
            inflater.end();
        }
        return Arrays.copyOf(content, length);
    }
}
