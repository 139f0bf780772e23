package skintriage;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import javax.imageio.ImageIO;

/** The conformance test on a desktop JVM: everything but LiteRT and Android's decoders. Exit status 1 on a mismatch. */
public final class JvmConformance {
    private JvmConformance() {}

    /** Two arguments: the folders of the kit's assets and of its golden vectors. */
    public static void main(String[] arguments) throws IOException {
        if (arguments.length != 2) {
            System.err.println("give the folders src/main/assets/skintriage and src/conformance/assets/skintriage");
            System.exit(2);
        }
        Bundle bundle = new Bundle(files(arguments[0]));
        System.out.println(bundle.id + ", input " + bundle.manifest.inputSize + " pixels a side");
        Conformance replay = new Conformance(bundle, files(arguments[1]), JvmConformance::decode, null, null);
        System.exit(replay.run(System.out) == 0 ? 0 : 1);
    }

    private static Bundle.Files files(String folder) {
        Path root = Paths.get(folder);
        return path -> Files.readAllBytes(root.resolve(path));
    }

    private static RgbImage decode(byte[] file) throws IOException {
        if (file[0] != (byte) 0xff && new String(file, StandardCharsets.ISO_8859_1).contains("iCCP")) {
            return null; // ImageIO leaves the profile of a PNG aside; Android applies it
        }
        BufferedImage image = ImageIO.read(new ByteArrayInputStream(file));
        if (image == null || image.getType() == BufferedImage.TYPE_USHORT_GRAY) {
            return null; // ImageIO has no WebP, and takes 16-bit grey for linear light
        }
        int[] argb = image.getRGB(0, 0, image.getWidth(), image.getHeight(), null, 0, image.getWidth());
        return RgbImage.fromArgb(argb, image.getWidth(), image.getHeight());
    }
}
