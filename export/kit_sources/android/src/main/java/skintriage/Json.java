package skintriage;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A strict JSON reader: Map, List, String, Double, Boolean and null. A key that is there twice is refused. */
final class Json {
    private static final int MAX_DEPTH = 64;
    /** Up to here a double holds every whole number. */
    private static final double MAX_WHOLE = 1L << 53;
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** Reads one document. */
    static Object parse(String text) {
        Json reader = new Json(text);
        Object value = reader.value(0);
        reader.space();
        if (reader.at != text.length()) {
            throw reader.error("something follows the document");
        }
        return value;
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> object(Object value) {
        return (Map<String, Object>) value;
    }

    @SuppressWarnings("unchecked")
    static List<Object> list(Object value) {
        return (List<Object>) value;
    }

    static double number(Object value) {
        return (Double) value;
    }

    static int integer(Object value) {
        long number = whole(value);
        if (Math.abs(number) > Integer.MAX_VALUE) {
            throw new TriageException.Bundle(number + " is too large");
        }
        return (int) number;
    }

    static long whole(Object value) {
        double number = number(value);
        if (number != Math.rint(number) || Math.abs(number) > MAX_WHOLE) {
            throw new TriageException.Bundle(number + " is not a whole number");
        }
        return (long) number;
    }

    static List<String> strings(Object value) {
        List<String> strings = new ArrayList<>();
        for (Object item : list(value)) {
            strings.add((String) item);
        }
        return strings;
    }

    private Object value(int depth) {
        if (depth > MAX_DEPTH) {
            throw error("nested too deeply");
        }
        char next = peek();
        if (next == '{') {
            return readObject(depth);
        }
        if (next == '[') {
            return readList(depth);
        }
        if (next == '"') {
            return readString();
        }
        int start = at;
        while (at < text.length() && ",]} \t\r\n".indexOf(text.charAt(at)) < 0) {
            at++;
        }
        String word = text.substring(start, at);
        switch (word) {
            case "null":
                return null;
            case "true":
                return true;
            case "false":
                return false;
            default:
                if (!word.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?")) {
                    throw error("'" + word + "' is not a value");
                }
                Double number = Double.valueOf(word);
                if (number.isInfinite()) {
                    throw error("'" + word + "' is too large");
                }
                return number;
        }
    }

    private Map<String, Object> readObject(int depth) {
        Map<String, Object> fields = new LinkedHashMap<>();
        at++;
        if (peek() == '}') {
            at++;
            return fields;
        }
        while (true) {
            if (peek() != '"') {
                throw error("a key must be a string");
            }
            String key = readString();
            expect(':');
            if (fields.containsKey(key)) {
                throw error("key '" + key + "' is there twice");
            }
            fields.put(key, value(depth + 1));
            if (peek() == '}') {
                at++;
                return fields;
            }
            expect(',');
        }
    }

    private List<Object> readList(int depth) {
        List<Object> items = new ArrayList<>();
        at++;
        if (peek() == ']') {
            at++;
            return items;
        }
        while (true) {
            items.add(value(depth + 1));
            if (peek() == ']') {
                at++;
                return items;
            }
            expect(',');
        }
    }

    private String readString() {
        StringBuilder characters = new StringBuilder();
        at++;
        while (at < text.length()) {
            char next = text.charAt(at++);
            if (next == '"') {
                return characters.toString();
            }
            characters.append(next == '\\' ? escaped() : next);
        }
        throw error("a string has no end");
    }

    private char escaped() {
        char kind = at < text.length() ? text.charAt(at++) : ' ';
        int place = "\"\\/bfnrt".indexOf(kind);
        if (place >= 0) {
            return "\"\\/\b\f\n\r\t".charAt(place);
        }
        String digits = text.substring(at, Math.min(at + 4, text.length()));
        if (kind != 'u' || !digits.matches("[0-9A-Fa-f]{4}")) {
            throw error("unknown escape");
        }
        at += 4;
        return (char) Integer.parseInt(digits, 16);
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private char peek() {
        space();
        if (at >= text.length()) {
            throw error("it ends too early");
        }
        return text.charAt(at);
    }

    private void expect(char wanted) {
        if (peek() != wanted) {
            throw error("'" + wanted + "' is missing");
        }
        at++;
    }

    private TriageException error(String reason) {
        return new TriageException.Bundle("not JSON at character " + at + ": " + reason);
    }
}
