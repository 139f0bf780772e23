package skintriage;

/** Base of every error that a user or a developer can mend; the message says how. */
public abstract class TriageException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private TriageException(String message, Throwable cause) {
        super(message, cause);
    }

    /** An image or camera frame cannot become the model's input. */
    public static final class Capture extends TriageException {
        private static final long serialVersionUID = 1L;

        public Capture(String message) {
            super(message, null);
        }
    }

    /** The bundle is incomplete, altered, of another schema, or lacks what was asked for. */
    public static final class Bundle extends TriageException {
        private static final long serialVersionUID = 1L;

        public Bundle(String message) {
            super(message, null);
        }
    }

    /** The inference runtime failed. */
    public static final class Inference extends TriageException {
        private static final long serialVersionUID = 1L;

        public Inference(String message, Throwable cause) {
            super(message, cause);
        }
    }
}
