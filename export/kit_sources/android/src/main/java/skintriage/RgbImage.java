package skintriage;

/** An 8-bit sRGB picture: `rgb` has three bytes a pixel, row by row, not copied. */
public final class RgbImage {
    public final int width;
    public final int height;
    public final byte[] rgb;

    public RgbImage(int width, int height, byte[] rgb) {
        if (width < 1 || height < 1 || rgb.length != 3L * width * height) {
            throw new TriageException.Capture(rgb.length + " bytes are no RGB picture of " + width + "x" + height);
        }
        this.width = width;
        this.height = height;
        this.rgb = rgb;
    }

    /**
     * What `Bitmap.getPixels` gives (0xAARRGGBB, alpha not multiplied in), composited on white. Decode with `ImageDecoder`
     * (`setUnpremultipliedRequired(true)`, target colour space sRGB) inside `PhotoFile.open`, as the kit's README shows.
     */
    public static RgbImage fromArgb(int[] argb, int width, int height) {
        byte[] rgb = new byte[3 * argb.length];
        for (int i = 0; i < argb.length; i++) {
            int alpha = argb[i] >>> 24;
            for (int channel = 0; channel < 3; channel++) {
                int value = argb[i] >> (16 - 8 * channel) & 0xff;
                rgb[3 * i + channel] = (byte) ((255 * (255 - alpha) + value * alpha + 127) / 255);
            }
        }
        return new RgbImage(width, height, rgb);
    }

    /** Accepts what is of the model's size. */
    void checkSide(int side) {
        if (width != side || height != side) {
            throw new TriageException.Capture("a capture of " + width + "x" + height + ", the model takes " + side + "x" + side
                    + "; normalize it to that size");
        }
    }

    /** The upright picture of a file whose EXIF orientation is 1 to 8; any other value counts as 1. */
    public RgbImage upright(int exifOrientation) {
        switch (exifOrientation) {
            case 2:
                return turned(0, true);
            case 3:
                return turned(180, false);
            case 4:
                return turned(180, true);
            case 5:
                return turned(90, true);
            case 6:
                return turned(90, false);
            case 7:
                return turned(270, true);
            case 8:
                return turned(270, false);
            default:
                return this;
        }
    }

    /** Turned clockwise by 0, 90, 180 or 270 degrees, then flipped left to right if `mirrored`. */
    RgbImage turned(int rotation, boolean mirrored) {
        if (rotation == 0 && !mirrored) {
            return this;
        }
        boolean sideways = rotation == 90 || rotation == 270;
        int columns = sideways ? height : width;
        int rows = sideways ? width : height;
        byte[] out = new byte[rgb.length];
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                int turnedColumn = mirrored ? columns - 1 - column : column;
                int x;
                int y;
                switch (rotation) {
                    case 90:
                        x = row;
                        y = height - 1 - turnedColumn;
                        break;
                    case 180:
                        x = width - 1 - turnedColumn;
                        y = height - 1 - row;
                        break;
                    case 270:
                        x = width - 1 - row;
                        y = turnedColumn;
                        break;
                    default:
                        x = turnedColumn;
                        y = row;
                }
                System.arraycopy(rgb, 3 * (y * width + x), out, 3 * (row * columns + column), 3);
            }
        }
        return new RgbImage(columns, rows, out);
    }
}
