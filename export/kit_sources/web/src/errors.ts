/** What a user can cause and mend; `code` is stable and is what an app translates, the message is for developers. */

export type CaptureFault =
  | "unreadable" | "truncated" | "format" | "high_dynamic_range" | "too_many_bytes" | "too_many_pixels" | "too_few_pixels" | "box" | "frame";
export type BundleFault = "missing" | "malformed" | "schema" | "altered" | "refused";

/** A photograph or camera frame could not be turned into the model's input. */
export class CaptureError extends Error {
  constructor(readonly code: CaptureFault, message: string) {
    super(message);
    this.name = "CaptureError";
  }
}

/** A bundle is incomplete, altered, of another schema, or its model is refused. */
export class BundleError extends Error {
  constructor(readonly code: BundleFault, message: string) {
    super(message);
    this.name = "BundleError";
  }
}
