package skintriage;

/** A normalized capture: what the model takes. */
public final class Capture {
    /** S x S. */
    public final RgbImage image;
    /** Side of the square that was resampled, in pixels of the source. */
    public final int regionPx;

    private Capture(RgbImage image, int regionPx) {
        this.image = image;
        this.regionPx = regionPx;
    }

    /** Crops and resamples an upright picture to size x size; a null box takes the centre square. */
    public static Capture normalize(RgbImage upright, int size, Box box) {
        checkSize(upright.width, upright.height);
        Box crop = box == null
                ? Box.centreSquare(upright.width, upright.height)
                : box.check(upright.width, upright.height);
        return new Capture(Resampler.resample(upright, crop, size), Math.min(crop.width(), crop.height()));
    }

    /** Turns a camera frame upright, then as above. */
    public static Capture normalize(CameraFrame frame, int size, Box box) {
        return normalize(frame.toRgb(), size, box);
    }

    static void checkSize(int width, int height) {
        if (Math.min(width, height) < Constants.MIN_SIDE) {
            throw new TriageException.Capture(
                    width + "x" + height + " is under " + Constants.MIN_SIDE + " pixels a side; take a larger photo");
        }
        if ((long) width * height > Constants.MAX_PIXELS) {
            throw new TriageException.Capture(
                    width + "x" + height + " is over " + Constants.MAX_PIXELS + " pixels; decode a smaller image");
        }
    }
}
