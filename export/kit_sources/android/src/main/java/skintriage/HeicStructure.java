package skintriage;

import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * HEIC files with a hole: `check_heic` of mobile_runtime/heic_structure.py; and those in high dynamic range. So many zeros in a
 * row are no HEVC data: after any two zeros, a byte of 3 keeps a third away (ITU-T H.265, 7.4.2).
 */
final class HeicStructure {
    /** Takes the type, begin and end of the content of a box. */
    private interface Visitor {
        void visit(String kind, long begin, long end);
    }

    private final byte[] data;
    private final Set<Long> pictures = new HashSet<>();
    private boolean lacking;
    private long at;
    private long stop;

    private HeicStructure(byte[] data) {
        this.data = data;
    }

    static boolean lacksPart(byte[] data) {
        HeicStructure file = new HeicStructure(data);
        try {
            // Each as it comes: what follows the picture, such as a film, may have one too, or no boxes at all.
            file.walk(0, data.length, (kind, begin, end) -> {
                file.lacking |= kind.equals("meta") && file.picturesLackPart(begin, end);
            });
        } catch (IllegalStateException error) {
            return true; // no camera writes so many parts
        } catch (ArithmeticException | IndexOutOfBoundsException error) {
            return file.lacking; // a length points outside the file: the decoder says so
        }
        return file.lacking;
    }

    /** Whether the picture that counts has levels of PQ or HLG: by its colour profile, where it has one. */
    static boolean isHdr(byte[] data) {
        HeicStructure file = new HeicStructure(data);
        boolean[] found = {false};
        try {
            file.walk(0, data.length, (kind, begin, end) -> {
                found[0] |= kind.equals("meta") && file.isPrimaryHdr(begin, end);
            });
        } catch (ArithmeticException | IndexOutOfBoundsException | IllegalStateException error) {
            return found[0]; // the decoder says so
        }
        return found[0];
    }

    /** Where its own properties (ISO/IEC 14496-12, `colr`) say nothing, as of a grid, those of its tiles do. */
    private boolean isPrimaryHdr(long from, long to) {
        Map<String, long[]> parts = boxes(from + 4, to);
        if (!parts.containsKey("pitm") || !parts.containsKey("iprp")) {
            return false;
        }
        long[] primary = parts.get("pitm");
        long item = number(primary[0] + 4, number(primary[0], 1) > 0 ? 4 : 2);
        Map<Long, long[]> colours = new LinkedHashMap<>(); // number of a property -> begin and end of its content
        Set<Long> numbers = new HashSet<>();
        long[] seen = {0};
        walk(parts.get("iprp")[0], parts.get("iprp")[1], (group, begin, end) -> {
            if (group.equals("ipco")) {
                walk(begin, end, (kind, first, last) -> {
                    seen[0]++;
                    if (kind.equals("colr")) {
                        colours.put(seen[0], new long[] {first, last});
                    }
                });
            } else if (group.equals("ipma")) {
                addAssociated(begin, end, item, numbers);
            }
        });
        if (!Collections.disjoint(colours.keySet(), numbers)) {
            colours.keySet().retainAll(numbers);
        }
        boolean hdr = false;
        for (long[] colour : colours.values()) {
            String kind = PhotoFile.ascii(data, colour[0], colour[0] + 4);
            if (kind.equals("prof") || kind.equals("rICC")) {
                return ColourProfile.isHdr(data, (int) colour[0] + 4, (int) Math.min(colour[1], data.length));
            }
            hdr |= kind.equals("nclx") && PhotoFile.isHdrTransfer(number(colour[0] + 6, 2));
        }
        return hdr;
    }

    /** Adds the numbers of an item's properties (ISO/IEC 23008-12, `ipma`). */
    private void addAssociated(long from, long to, long item, Set<Long> numbers) {
        at = from;
        stop = to;
        long version = next(1);
        int size = (next(3) & 1) == 0 ? 1 : 2;
        long items = next(4);
        for (long i = 0; i < items; i++) {
            boolean own = next(version > 0 ? 4 : 2) == item;
            long count = next(1);
            for (long j = 0; j < count; j++) {
                long number = next(size) & (size == 2 ? 0x7fff : 0x7f);
                if (own) {
                    numbers.add(number);
                }
            }
        }
    }

    private boolean picturesLackPart(long from, long to) {
        Map<String, long[]> parts = boxes(from + 4, to);
        if (!parts.containsKey("iinf") || !parts.containsKey("iloc")) {
            return false;
        }
        long[] items = parts.get("iinf");
        int head = number(items[0], 1) == 0 ? 6 : 8;
        walk(items[0] + head, items[1], (kind, begin, end) -> {
            long version = kind.equals("infe") ? number(begin, 1) : 0;
            if (version == 2 || version == 3) {
                int size = version == 2 ? 2 : 4;
                String coding = PhotoFile.ascii(data, begin + 6 + size, begin + 10 + size);
                if (coding.equals("hvc1") || coding.equals("hev1")) {
                    pictures.add(number(begin + 4, size));
                }
            }
        });
        long[] places = parts.get("iloc");
        at = places[0];
        stop = places[1];
        return hasHole();
    }

    /** Whether an extent of a picture reaches outside the file or has a hole (ISO/IEC 14496-12, `iloc`). */
    private boolean hasHole() {
        long version = next(1);
        next(3);
        int sizes = (int) next(2);
        int seen = 0;
        long items = next(version < 2 ? 2 : 4);
        for (long i = 0; i < items; i++) {
            long item = next(version < 2 ? 2 : 4);
            long method = version > 0 ? next(2) & 15 : 0;
            next(2);
            long base = next(sizes >> 4 & 15);
            long extents = next(2);
            for (long j = 0; j < extents; j++) {
                next(version > 0 ? sizes & 15 : 0);
                long begin = base + next(sizes >> 12);
                long length = next(sizes >> 8 & 15);
                long end = length > 0 ? begin + length : data.length;
                if (++seen > Constants.MAX_PARTS) {
                    throw new IllegalStateException("over " + Constants.MAX_PARTS + " parts");
                }
                boolean own = method == 0 && pictures.contains(item); // others are kept elsewhere
                if (own && (end > data.length || JpegStructure.hasHole(data, begin, end, true))) {
                    return true;
                }
            }
        }
        return false;
    }

    private Map<String, long[]> boxes(long from, long to) {
        Map<String, long[]> found = new LinkedHashMap<>();
        walk(from, to, (kind, begin, end) -> found.put(kind, new long[] {begin, end}));
        return found;
    }

    private void walk(long from, long to, Visitor visitor) {
        long start = from;
        for (int part = 0; start + 8 <= to; part++) {
            if (part == Constants.MAX_PARTS) {
                throw new IllegalStateException("over " + Constants.MAX_PARTS + " parts");
            }
            long size = number(start, 4);
            String kind = PhotoFile.ascii(data, start + 4, start + 8);
            int head = size == 1 ? 16 : 8;
            if (size == 1) {
                size = number(start + 8, 8);
            }
            long end = size == 0 ? to : start + size;
            if (end < start + head) {
                throw new IndexOutOfBoundsException("a box is shorter than its head");
            }
            visitor.visit(kind, start + head, Math.min(end, to));
            start = end;
        }
    }

    private long next(int size) {
        if (at + size > stop) {
            throw new IndexOutOfBoundsException("a number reaches outside its box");
        }
        at += size;
        return number(at - size, size);
    }

    private long number(long from, int size) {
        return PhotoFile.bigEndian(data, from, size);
    }
}
