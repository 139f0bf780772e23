package skintriage;

/** A region in pixels of the upright image; right and bottom are exclusive. */
public final class Box {
    public final int left;
    public final int top;
    public final int right;
    public final int bottom;

    public Box(int left, int top, int right, int bottom) {
        this.left = left;
        this.top = top;
        this.right = right;
        this.bottom = bottom;
    }

    /** The largest centred square; an odd pixel is left at the right or bottom. */
    public static Box centreSquare(int width, int height) {
        int side = Math.min(width, height);
        int left = (width - side) / 2;
        int top = (height - side) / 2;
        return new Box(left, top, left + side, top + side);
    }

    public int width() {
        return right - left;
    }

    public int height() {
        return bottom - top;
    }

    /** Accepts a user's box on an image of that size: inside it, large enough, square to one pixel. */
    Box check(int imageWidth, int imageHeight) {
        if (left < 0 || left >= right || right > imageWidth || top < 0 || top >= bottom || bottom > imageHeight) {
            throw new TriageException.Capture("box " + this + " is empty or reaches outside the " + imageWidth + "x"
                    + imageHeight + " image; move it inside");
        }
        if (Math.min(width(), height()) < Constants.MIN_SIDE) {
            throw new TriageException.Capture("box " + this + " is under " + Constants.MIN_SIDE
                    + " pixels a side; choose a larger one or move the camera closer");
        }
        if (Math.abs(width() - height()) > 1) {
            throw new TriageException.Capture(
                    "box " + this + " is not square: squashing a lesion changes its score, choose a square");
        }
        return this;
    }

    @Override
    public String toString() {
        return "(" + left + ", " + top + ", " + right + ", " + bottom + ")";
    }
}
