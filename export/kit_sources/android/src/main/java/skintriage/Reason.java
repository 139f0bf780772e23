package skintriage;

/** Why a picture is to be retaken, in the order in which reasons are reported. */
public enum Reason {
    TOO_SMALL,
    TOO_DARK,
    TOO_BRIGHT,
    CLIPPED,
    GLARE,
    BLURRED,
    DOUBLED,
    UNIFORM,
    COLOURLESS,
    BLUE_CAST;

    /** The stable code that Python writes. */
    public String code() {
        return Constants.code(this);
    }

    /** The sentence to show. */
    public String advice() {
        return Constants.ADVICE.get(code());
    }
}
