import texts from "./texts/en.json";

export { texts };

/** A sentence with its {placeholders} filled in. */
export function fill(sentence: string, values: Record<string, string | number>): string {
  return sentence.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name]));
}
