/** Several frames of one lesion as one assessment: mobile_runtime/burst.py, which states the rules. */

import { constants, type Decision } from "./constants.js";
import { CaptureError } from "./errors.js";
import type { Assessment } from "./pipeline.js";

export interface BurstAssessment {
  /** The verdict, with the median scores of the usable frames. */
  assessment: Assessment;
  /** The verdict on each frame, in order. */
  frames: Assessment[];
  /** How many frames passed the quality gate and are not outliers. */
  usable: number;
  /** Half the distance between the quartiles of the usable frames' malignancy; null when too few are usable. */
  spread: number | null;
  /** Share of usable frames on the median's side of the threshold; null when too few are usable. */
  agreement: number | null;
  /** Sentences to show in place of what the decision usually means; empty unless the frames disagree. */
  remark: string[];
}

const sorted = (values: number[]): number[] => [...values].sort((a, b) => a - b);

function median(values: number[]): number {
  const order = sorted(values);
  return (order[(order.length - 1) >> 1]! + order[order.length >> 1]!) / 2;
}

/** Linear between order statistics, rounded as NumPy rounds it. */
function quantile(values: number[], share: number): number {
  const order = sorted(values);
  const place = share * (order.length - 1);
  const below = Math.trunc(place);
  const [low, high] = [order[below]!, order[Math.min(below + 1, order.length - 1)]!];
  const part = place - below;
  return part < 0.5 ? low + (high - low) * part : high - (high - low) * (1 - part);
}

const known = (values: (number | null)[]): number[] => values.filter((value) => value !== null);

/** Whether a frame counts. */
export const isUsable = (frame: Assessment): boolean => frame.malignancy !== null && frame.decision !== "abstain";

/**
 * Combine the verdicts on frames of one lesion: they never add up to a reassurance where more than a quarter disagree
 * or one frame with a score, used or not, is an alarm.
 *
 * @throws CaptureError there is no frame.
 */
export function combine(frames: Assessment[]): BurstAssessment {
  if (!frames.length) throw new CaptureError("frame", "a burst needs at least one frame");
  const usable = frames.filter(isUsable);
  const first = usable[0];
  if (!first || usable.length < constants.min_usable_share * frames.length) {
    const retakes = frames.filter(({ decision }) => decision === "retake");
    const abstained = frames.filter(({ decision }) => decision === "abstain");
    const worst = (retakes.length >= abstained.length ? retakes : abstained)[0]!;
    return { assessment: worst, frames, usable: usable.length, spread: null, agreement: null, remark: [] };
  }
  const values = known(usable.map(({ malignancy }) => malignancy));
  const { threshold } = first.point;
  const middle = median(values);
  const agreeing = values.filter((value) => value >= threshold === middle >= threshold).length;
  const agreement = agreeing / values.length;
  const loudest = Math.max(...known(frames.map(({ malignancy }) => malignancy)));
  const agrees = 1 - agreement <= constants.max_dissent && loudest < Math.max(threshold, constants.alarm);
  const decision: Decision = middle >= threshold ? "refer" : agrees ? "low_concern" : "retake";
  const retake = decision === "retake";
  const labels = retake ? [] : Object.keys(first.probabilities);
  const cancers = known(usable.map(({ cancer }) => cancer));
  const outliers = known(usable.map(({ outlier }) => outlier));
  const assessment = {
    ...first,
    decision,
    malignancy: retake ? null : middle,
    cancer: retake || !cancers.length ? null : median(cancers),
    probabilities: Object.fromEntries(labels.map((label) => [label, median(usable.map((frame) => frame.probabilities[label]!))])),
    outlier: outliers.length ? median(outliers) : null,
  };
  const spread = (quantile(values, 0.75) - quantile(values, 0.25)) / 2;
  const remark = (retake ? constants.burst_remark : []).map((text) =>
    text.replace("{agreeing}", `${agreeing}`).replace("{usable}", `${usable.length}`),
  );
  return { assessment, frames, usable: usable.length, spread, agreement, remark };
}
