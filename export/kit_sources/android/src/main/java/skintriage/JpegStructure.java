package skintriage;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** JPEG files that lack a part although they open: `check_jpeg` of mobile_runtime/jpeg_structure.py. */
final class JpegStructure {
    static final int START = 0xd8;
    static final int END = 0xd9;
    static final int SCAN = 0xda;
    private static final int TABLES = 0xc4;
    private static final int PROFILE = 0xe2;
    private static final String ICC = "ICC_PROFILE\0";
    private static final int COEFFICIENTS = 64;
    /** Instead of a bit: a coefficient has come to its last. */
    private static final int COMPLETE = -1;
    /** More are no colours that a decoder here knows. */
    private static final int COMPONENTS = 4;

    private final byte[] data;
    /** Number of each AC table -> what a code of zeros stands for (ITU-T T.81, B.2.4.2, C.2). */
    private final Map<Integer, Integer> zeroSymbols = new LinkedHashMap<>();
    /** Component -> for each coefficient the bit that its next scan must go on from. */
    private final Map<Integer, int[]> awaited = new LinkedHashMap<>();
    /** Of each part of the profile its number, how many there are, and begin and end of its content. */
    private final List<int[]> profile = new ArrayList<>();
    private boolean sequential;
    private boolean torn;
    private int scans;

    private JpegStructure(byte[] data) {
        this.data = data;
    }

    /**
     * Zeros in place of a part can be told of a baseline JPEG alone, and of one whose code of zeros does not stand for small
     * coefficients; bytes of ones always. Restart markers count from 0 to 7 over and over (ITU-T T.81, E.1.4). Otherwise a
     * scan is missing where not every coefficient of every component has come to its last bit (G.1.1), or one does not go on
     * from the bit that the one before it ended at (G.1.1.1.2). Where a part of a profile is missing (ICC.1, B.4), decoders
     * leave it aside, and colours are wrong.
     */
    static boolean lacksPart(byte[] data) {
        try {
            return new JpegStructure(data).lacksPart();
        } catch (ArrayIndexOutOfBoundsException error) {
            return true; // a length points outside the file
        }
    }

    /** The colour profile, of a JPEG that lacks no part; empty where there is none. */
    static byte[] profile(byte[] data) {
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        for (int[] part : read(data).profile) {
            whole.write(data, part[2], part[3] - part[2]);
        }
        return whole.toByteArray();
    }

    /** Whether a decoder may give other levels than those stored: by a profile, or of four colours. */
    static boolean isConverted(byte[] data) {
        JpegStructure structure = read(data);
        return !structure.profile.isEmpty() || structure.awaited.size() == COMPONENTS;
    }

    private static JpegStructure read(byte[] data) {
        JpegStructure structure = new JpegStructure(data);
        structure.lacksPart();
        return structure;
    }

    private boolean lacksPart() {
        boolean telling = false;
        int at = 0;
        for (int part = 0; part < Constants.MAX_PARTS; part++) {
            int marker = nextMarker(data, at);
            if (scans > 0 && lacksData(at, marker, telling)) {
                return true;
            }
            telling = false;
            if (marker == data.length) {
                return true;
            }
            int kind = at(marker + 1);
            if (kind == END) {
                return scans == 0 || !isComplete() || !isProfileWhole();
            }
            at = marker + 2;
            if (kind == START) {
                continue;
            }
            int begin = at + 2;
            at += Math.max(2, at(at) << 8 | at(at + 1));
            if (kind == 0xc0 || kind == 0xc1 || kind == 0xc9 || kind == 0xc2 || kind == 0xca) {
                sequential = kind != 0xc2 && kind != 0xca;
                startFrame(begin);
            } else if (kind == PROFILE && PhotoFile.ascii(data, begin, begin + ICC.length()).equals(ICC)) {
                int content = begin + ICC.length() + 2;
                profile.add(new int[] {at(content - 2), at(content - 1), content, Math.max(content, Math.min(at, data.length))});
            } else if (kind == TABLES) {
                readTables(begin, Math.min(at, data.length));
            } else if (kind == SCAN) {
                if (++scans > Constants.MAX_SCANS) {
                    return true; // no camera writes so many, and each takes its time
                }
                readScan(begin);
                // With another symbol zeros are small coefficients, one after the other, and not blocks without any.
                Integer symbol = sequential ? zeroSymbols.get(at(begin + 2) & 15) : null;
                telling = symbol != null && symbol != 0;
            }
        }
        return true;
    }

    private void startFrame(int begin) {
        awaited.clear();
        for (int i = 0; i < Math.min(COMPONENTS, at(begin + 5)); i++) {
            awaited.put(at(begin + 6 + 3 * i), new int[COEFFICIENTS]);
        }
    }

    private void readTables(int begin, int end) {
        for (int table = begin; table + 17 < end; ) {
            int count = 0;
            for (int i = 1; i < 17; i++) {
                count += at(table + i);
            }
            if (at(table) >> 4 == 1 && count > 0) {
                zeroSymbols.put(at(table) & 15, at(table + 17));
            }
            table += 17 + count;
        }
    }

    private void readScan(int begin) {
        int selected = begin + 1 + 2 * at(begin);
        int first = sequential ? 0 : at(selected);
        int last = sequential ? COEFFICIENTS - 1 : at(selected + 1);
        int bits = sequential ? 0 : at(selected + 2);
        Set<Integer> components = new HashSet<>();
        for (int component = begin + 1; component < selected; component += 2) {
            components.add(at(component));
        }
        components.retainAll(awaited.keySet());
        for (int component : components) {
            int[] coefficients = awaited.get(component);
            for (int i = first; i <= Math.min(last, COEFFICIENTS - 1); i++) {
                torn |= coefficients[i] != bits >> 4;
                coefficients[i] = (bits & 15) == 0 ? COMPLETE : bits & 15;
            }
        }
    }

    private boolean isComplete() {
        for (int[] coefficients : awaited.values()) {
            for (int bit : coefficients) {
                torn |= bit != COMPLETE;
            }
        }
        return !torn;
    }

    private boolean isProfileWhole() {
        profile.sort(Comparator.comparingInt(part -> part[0]));
        if (profile.size() == 1 && profile.get(0)[1] == 1) {
            return true; // whatever its number
        }
        for (int i = 0; i < profile.size(); i++) {
            if (profile.get(i)[0] != i + 1 || profile.get(i)[1] != profile.size()) {
                return false;
            }
        }
        return true;
    }

    /** Where the next marker starts that ends a scan's data; the file's length if there is none. */
    static int nextMarker(byte[] data, int from) {
        for (int at = from; at + 1 < data.length; at++) {
            int kind = data[at + 1] & 0xff;
            if (data[at] == (byte) 0xff && kind > 0x01 && kind < 0xff && !(kind >= 0xd0 && kind <= 0xd7)) {
                return at;
            }
        }
        return data.length;
    }

    /** Whether a part of a scan is erased, to ones or, where they are telling, zeros, or its restart markers do not count on. */
    private boolean lacksData(int from, int to, boolean telling) {
        if (hasHole(data, from, to, telling)) {
            return true;
        }
        int restarts = 0;
        for (int at = from; at + 1 < to; at++) {
            int kind = at(at + 1);
            if (at(at) == 0xff && kind >= 0xd0 && kind <= 0xd7 && kind != 0xd0 + restarts++ % 8) {
                return true;
            }
        }
        return false;
    }

    /** Whether 23 bytes that were never written follow one another, or from 16 on, depending on where: 255, or 0 if `zeros`. */
    static boolean hasHole(byte[] data, long from, long to, boolean zeros) {
        boolean before = false;
        for (long at = from; at + 8 <= to; at += 8) {
            byte filler = data[(int) at];
            boolean erased = filler == (byte) 0xff || zeros && filler == 0;
            for (int i = 1; i < 8; i++) {
                erased &= data[(int) at + i] == filler;
            }
            if (erased && before && data[(int) at - 1] == filler) {
                return true;
            }
            before = erased;
        }
        return false;
    }

    private int at(int index) {
        return data[index] & 0xff;
    }
}
