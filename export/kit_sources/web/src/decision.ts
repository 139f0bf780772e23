/** Decisions at named operating points: mobile_runtime/decision.py. */

import type { Decision, Reason } from "./constants.js";

/**
 * Retake a poor image, abstain on one unlike the training images, else refer when malignancy reaches the threshold.
 *
 * @param outlier the graph's outlier score; null if the variant gives none.
 * @param limit the variant's limit on that score; null if it has none.
 */
export function decide(
  reasons: readonly Reason[], malignancy: number, threshold: number, outlier: number | null, limit: number | null,
): Decision {
  if (reasons.length) return "retake";
  if (limit !== null && !(outlier !== null && outlier <= limit)) return "abstain";
  // A score that is not a number compares as false: it must never end in reassurance.
  return malignancy < threshold ? "low_concern" : "refer";
}
