/** From the model's input to a verdict: mobile_runtime/pipeline.py. */

import { combine, type BurstAssessment } from "./burst.js";
import { constants, type Decision } from "./constants.js";
import { decide } from "./decision.js";
import type { Engine, Outputs } from "./engine.js";
import { BundleError, CaptureError } from "./errors.js";
import type { Manifest, OperatingPoint, Variant } from "./manifest.js";
import { judge, type Quality } from "./quality.js";
import type { Capture } from "./resample.js";

/** The verdict on one image; scores are null when the image must be retaken. */
export interface Assessment {
  decision: Decision;
  malignancy: number | null;
  cancer: number | null;
  /** Class label -> probability; empty when the image must be retaken. */
  probabilities: Record<string, number>;
  outlier: number | null;
  quality: Quality;
  operatingPoint: string;
  point: OperatingPoint;
  /** Name and version of the bundle. */
  bundle: string;
  /** Name of the model's exported form. */
  variant: string;
}

/** From 0 to 1: a sum of float probabilities may be above 1 by its rounding. */
const share = (value: number): number => Math.min(1, Math.max(0, value));

/** As `check_outputs` of mobile_runtime/engines.py: of outputs that are all zero, a verdict would reassure. */
function faultOf({ classes, scores }: Manifest, variant: Variant, found: Outputs): string | null {
  // False, too, where one is not a number.
  const near = (value: number, expected: number): boolean => Math.abs(value - expected) <= constants.sum_tolerance;
  const probabilities = [...found.probabilities];
  if (probabilities.length !== classes.length) return "not a probability for each class";
  if (found.scores.length !== scores.length) return "not the scores of the manifest";
  const outlier = found.outlier ?? [];
  if ((variant.outputs.outlier !== undefined || found.outlier) && (outlier.length !== 1 || !Number.isFinite(outlier[0]))) {
    return "not one finite outlier score";
  }
  if (!probabilities.every((value) => near(value, share(value)))) {
    return "probabilities that are not from 0 to 1";
  }
  for (const [column, { name, weights }] of scores.entries()) {
    const sum = probabilities.reduce((total, value, index) => total + value * weights[index]!, 0);
    if (!near(found.scores[column]!, sum)) return `a ${name} that is not the sum of its classes`;
  }
  const total = probabilities.reduce((sum, value) => sum + value, 0);
  return near(total, 1) ? null : "probabilities that do not sum to 1";
}

/** Capture to assessment with one variant, which `engine` runs: thresholds and the outlier limit are that variant's own. */
export class TriagePipeline {
  constructor(readonly manifest: Manifest, private readonly engine: Pick<Engine, "run" | "variant">) {}

  /** S, pixels a side of the model's input. */
  get inputSize(): number {
    return this.manifest.input.size;
  }

  /** Quality alone, for guiding while the camera runs. */
  judge(capture: Capture): Quality {
    const [found, wanted] = [capture.image.length, 3 * this.inputSize ** 2];
    // Of a short image the figures would be NaN, which is on the right side of every limit.
    if (found !== wanted) throw new CaptureError("frame", `a capture of ${found} bytes, the model takes ${wanted}`);
    return judge(capture.image, this.inputSize, this.manifest.quality, capture.regionPx);
  }

  /**
   * The verdict on a capture; the model is not asked about a poor picture.
   *
   * @throws CaptureError it was normalized to another size than `inputSize`.
   */
  async assess(capture: Capture, operatingPoint?: string): Promise<Assessment> {
    const quality = this.judge(capture);
    return this.assessment(quality, quality.reasons.length ? null : await this.engine.run(capture.image), operatingPoint);
  }

  /** One verdict on several captures of the same lesion. */
  async assessBurst(captures: Capture[], operatingPoint?: string): Promise<BurstAssessment> {
    const frames: Assessment[] = [];
    for (const capture of captures) frames.push(await this.assess(capture, operatingPoint));
    return combine(frames);
  }

  /** The verdict that follows from quality and outputs; outputs are null where the picture is to be retaken. */
  assessment(quality: Quality, outputs: Outputs | null, operatingPoint = this.manifest.default_operating_point): Assessment {
    const { variant } = this.engine;
    const point = Object.hasOwn(variant.operating_points, operatingPoint) ? variant.operating_points[operatingPoint] : undefined;
    if (!point) throw new BundleError("missing", `no operating point ${operatingPoint}`);
    const bundle = `${this.manifest.name}-${this.manifest.version}`;
    const basis = { quality, operatingPoint, point, bundle, variant: variant.name };
    if (!outputs) return { ...basis, decision: "retake", malignancy: null, cancer: null, probabilities: {}, outlier: null };
    const { classes, scores } = this.manifest;
    const fault = faultOf(this.manifest, variant, outputs);
    if (fault) throw new BundleError("refused", `variant ${variant.name} gave ${fault}`);
    const score = (name: string): number | null => {
      const column = scores.findIndex((spec) => spec.name === name);
      return column < 0 ? null : share(outputs.scores[column]!);
    };
    const malignancy = score("malignancy") ?? Number.NaN;
    const outlier = outputs.outlier ? outputs.outlier[0]! : null;
    return {
      ...basis,
      decision: decide(quality.reasons, malignancy, point.threshold, outlier, variant.abstention?.limit ?? null),
      malignancy,
      cancer: score("cancer"),
      probabilities: Object.fromEntries(classes.map(({ label }, index) => [label, share(outputs.probabilities[index]!)])),
      outlier,
    };
  }
}
