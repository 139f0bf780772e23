/** Several frames of one lesion as one assessment: mobile_runtime/burst.py, which states the rules. */

import { constants, type Decision } from "./constants.js";
import { CaptureError } from "./errors.js";
import type { Assessment } from "./pipeline.js";

export interface BurstAssessment {
  /** The verdict, with the scores of the usable frame of median malignancy, or the mean of the two in the middle. */
  assessment: Assessment;
  /** The verdict on each frame, in order. */
  frames: Assessment[];
  /** How many frames passed the quality gate and are not outliers. */
  usable: number;
  /** Highest less lowest malignancy of the usable frames; null when too few are usable. */
  spread: number | null;
  /** Share of usable frames on the median's side of the threshold; null when too few are usable. */
  agreement: number | null;
  /** Sentences to show in place of what the decision usually means; empty unless the frames disagree. */
  remark: string[];
}

const mean = (first: number | null, second: number | null): number | null =>
  first === null || second === null ? null : (first + second) / 2;

const known = (values: (number | null)[]): number[] => values.filter((value) => value !== null);

/** Whether a frame counts. */
export const isUsable = (frame: Assessment): boolean => frame.malignancy !== null && frame.decision !== "abstain";

/**
 * Combine the verdicts on frames of one lesion: they never add up to a reassurance where more than a quarter disagree
 * or one frame with a score, used or not, is an alarm.
 *
 * @throws CaptureError there is no frame, or they are of different bundles, variants or operating points.
 */
export function combine(frames: Assessment[]): BurstAssessment {
  if (!frames.length) throw new CaptureError("frame", "a burst needs at least one frame");
  const basis = ({ bundle, variant, operatingPoint, point }: Assessment): string =>
    [bundle, variant, operatingPoint, point.threshold].join(" ");
  if (new Set(frames.map(basis)).size > 1) {
    throw new CaptureError("frame", "a burst of different bundles, variants or operating points; assess one lesion by one of them");
  }
  const usable = frames.filter(isUsable);
  const first = usable[0];
  if (!first || usable.length < constants.min_usable_share * frames.length) {
    const retakes = frames.filter(({ decision }) => decision === "retake");
    const abstained = frames.filter(({ decision }) => decision === "abstain");
    const worst = (retakes.length >= abstained.length ? retakes : abstained)[0]!;
    return { assessment: worst, frames, usable: usable.length, spread: null, agreement: null, remark: [] };
  }
  const ordered = [...usable].sort((a, b) => a.malignancy! - b.malignancy!);
  const [lower, upper] = [ordered[(ordered.length - 1) >> 1]!, ordered[ordered.length >> 1]!];
  const values = known(ordered.map(({ malignancy }) => malignancy));
  const { threshold } = first.point;
  const middle = (lower.malignancy! + upper.malignancy!) / 2;
  const agreeing = values.filter((value) => value >= threshold === middle >= threshold).length;
  const agreement = agreeing / values.length;
  const loudest = known(frames.map(({ malignancy }) => malignancy)).reduce((a, b) => Math.max(a, b));
  const agrees = 1 - agreement <= constants.max_dissent && loudest < Math.max(threshold, constants.alarm);
  const decision: Decision = middle >= threshold ? "refer" : agrees ? "low_concern" : "retake";
  const retake = decision === "retake";
  const labels = retake ? [] : Object.keys(lower.probabilities);
  const assessment = {
    ...lower,
    decision,
    malignancy: retake ? null : middle,
    cancer: retake ? null : mean(lower.cancer, upper.cancer),
    probabilities: Object.fromEntries(
      labels.map((label) => [label, (lower.probabilities[label]! + upper.probabilities[label]!) / 2]),
    ),
    outlier: retake ? null : mean(lower.outlier, upper.outlier),
  };
  const spread = values[values.length - 1]! - values[0]!;
  const remark = (retake ? constants.burst_remark : []).map((text) =>
    text.replace("{agreeing}", `${agreeing}`).replace("{usable}", `${usable.length}`),
  );
  return { assessment, frames, usable: usable.length, spread, agreement, remark };
}
