package skintriage;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** The files of the kit: every one is checked against the manifest before it is used. */
public final class Bundle {
    /** Where files come from: `path -> assets.open("skintriage/" + path).readBytes()` in an app. */
    public interface Files {
        byte[] read(String path) throws IOException;
    }

    public final Manifest manifest;
    /** Name, version and the first 12 hex digits of the manifest's SHA-256: the id that Python gives the bundle. */
    public final String id;
    /** The manifest as it was read. */
    final String text;
    private final Files files;

    /** Reads the manifest. */
    public Bundle(Files files) {
        this.files = files;
        byte[] data = read(files, Constants.MANIFEST);
        text = new String(data, StandardCharsets.UTF_8);
        manifest = Manifest.parse(text);
        id = manifest.name + "-" + manifest.version + "+" + sha256(data).substring(0, 12);
    }

    /** A listed file, its size and SHA-256 checked. */
    public byte[] read(String path) {
        Manifest.FileEntry entry = manifest.files.get(path);
        if (entry == null) {
            throw new TriageException.Bundle(path + ": not in the manifest; make the kit again");
        }
        byte[] data = read(files, path);
        if (data.length != entry.sizeBytes || !sha256(data).equals(entry.sha256)) {
            throw new TriageException.Bundle(path + ": differs from the manifest; make the kit again");
        }
        return data;
    }

    /** The model of a variant. */
    public byte[] model(Manifest.Variant variant) {
        return read(variant.path);
    }

    private static byte[] read(Files files, String path) {
        try {
            return files.read(path);
        } catch (IOException error) {
            throw new TriageException.Bundle(path + ": cannot be read (" + error.getMessage() + "); add it to the app");
        }
    }

    private static String sha256(byte[] data) {
        StringBuilder hex = new StringBuilder();
        try {
            for (byte value : MessageDigest.getInstance("SHA-256").digest(data)) {
                hex.append(Character.forDigit((value & 0xff) >> 4, 16)).append(Character.forDigit(value & 0xf, 16));
            }
        } catch (NoSuchAlgorithmException error) {
            throw new AssertionError(error); // every Java platform has it
        }
        return hex.toString();
    }
}
