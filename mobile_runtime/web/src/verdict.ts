/** Showing an assessment in words. */

import { isUsable, type Assessment, type BurstAssessment, type Manifest, type Quality, type QualityLimits } from "../../../export/kit_sources/web/src/index.js";
import { fill, texts } from "./texts.js";

export const byId = <T extends HTMLElement = HTMLElement>(id: string): T => document.getElementById(id) as T;

/** An element of the given kind with this text and these children. */
function make(kind: string, text = "", ...children: HTMLElement[]): HTMLElement {
  const element = document.createElement(kind);
  element.textContent = text;
  element.append(...children);
  return element;
}

function row(head: string, value: string, last?: string): HTMLElement {
  const heading = make("th", head);
  heading.setAttribute("scope", "row");
  const cell = make("td", value);
  cell.className = "number";
  return make("tr", "", heading, cell, ...(last === undefined ? [] : [make("td", last)]));
}

export function list(id: string, items: readonly string[]): void {
  byId(id).replaceChildren(...items.map((item) => make("li", item)));
}

const ofHundred = (share: number): string => String(Math.round(share * 100));
const figure = (value: number | null): string => (value === null ? "–" : value.toFixed(Number.isInteger(value) ? 0 : 3));

function allowed(limits: QualityLimits): [keyof Quality & keyof typeof texts.details, string][] {
  const least = (value: number): string => fill(texts.details.at_least, { value: figure(value) });
  const most = (value: number): string => fill(texts.details.at_most, { value: figure(value) });
  return [
    ["sharpness", least(limits.sharpness_min)],
    ["least_sharpness", least(limits.least_sharpness_min)],
    ["evenness", least(limits.evenness_min)],
    ["detail", least(limits.detail_min)],
    ["echo", most(limits.echo_max)],
    ["brightness", fill(texts.details.between, { low: figure(limits.brightness_min), high: figure(limits.brightness_max) })],
    ["clipped", most(limits.clipped_max)],
    ["highlight", most(limits.highlight_max)],
    ["glare", most(limits.glare_max)],
    ["contrast", least(limits.contrast_min)],
    ["colour", least(limits.colour_min)],
    ["warmth", least(limits.warmth_min)],
    ["region_px", least(limits.region_px_min)],
  ];
}

function showReliability({ point }: Assessment): void {
  const { sensitivity, specificity } = point;
  list("reliability", [
    fill(texts.reliability.sensitivity, {
      value: ofHundred(sensitivity.value),
      low: ofHundred(sensitivity.low),
      high: ofHundred(sensitivity.high),
      missed: String(100 - Math.round(sensitivity.value * 100)),
      missedLow: String(100 - Math.round(sensitivity.high * 100)),
      missedHigh: String(100 - Math.round(sensitivity.low * 100)),
    }),
    fill(texts.reliability.specificity, {
      false: String(100 - Math.round(specificity.value * 100)),
      falseLow: String(100 - Math.round(specificity.high * 100)),
      falseHigh: String(100 - Math.round(specificity.low * 100)),
    }),
  ]);
  byId("basis").textContent = fill(texts.reliability.basis, {
    malignant: sensitivity.n.toLocaleString(texts.lang),
    benign: specificity.n.toLocaleString(texts.lang),
    dataset: point.dataset,
  });
}

function showScore({ malignancy, point }: Assessment): void {
  const score = malignancy ?? 0;
  byId("meter-fill").style.width = `${score * 100}%`;
  byId("meter-mark").style.insetInlineStart = `${point.threshold * 100}%`;
  const digits = [3, 4, 5, 6, 7].find((count) => score.toFixed(count) !== point.threshold.toFixed(count)) ?? 3; // to tell which is larger
  byId("score").textContent = fill(texts.score.line, { score: score.toFixed(digits), threshold: point.threshold.toFixed(digits) });
}

/** What the pictures of a burst have to say about one another; nothing for a single picture. */
function burstFigures({ frames, usable, agreement }: BurstAssessment): Record<string, string | number> {
  return { count: frames.length, usable, agreeing: Math.round((agreement ?? 0) * usable) };
}

function showBurst(burst: BurstAssessment): void {
  const scores = burst.frames.filter(isUsable).map(({ malignancy }) => malignancy!);
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  const several = burst.frames.length > 1;
  byId("burst").hidden = byId("meter-range").hidden = !several;
  byId("burst").textContent = fill(texts.burst.scores, { ...burstFigures(burst), low: low.toFixed(3), high: high.toFixed(3) });
  byId("meter-range").style.insetInlineStart = `${low * 100}%`;
  byId("meter-range").style.width = `${(high - low) * 100}%`;
}

/** What to do, or why there is no score. */
function adviceOn(burst: BurstAssessment): string[] {
  const { decision, quality } = burst.assessment;
  if (burst.agreement !== null) return decision === "retake" ? [fill(texts.burst.disagreement, burstFigures(burst))] : [];
  const few = burst.frames.length > 1 ? [fill(texts.burst.unusable, burstFigures(burst))] : [];
  return [...few, ...(decision === "abstain" ? [texts.abstain_advice] : quality.reasons.map((reason) => texts.advice[reason]))];
}

function showDetails({ assessment, frames, spread }: BurstAssessment, manifest: Manifest, milliseconds: number): void {
  const { quality, probabilities, outlier } = assessment;
  const kinds = [...manifest.classes].sort((a, b) => (probabilities[b.label] ?? 0) - (probabilities[a.label] ?? 0));
  byId("class-rows").replaceChildren(
    ...kinds.map(({ label, name }) => row(name, `${((probabilities[label] ?? 0) * 100).toFixed(1)} %`)),
  );
  const rows = allowed(manifest.quality).map(([name, limit]) => row(texts.details[name], figure(quality[name] as number), limit));
  const limit = manifest.variants[manifest.default_variant]?.abstention?.limit;
  if (outlier !== null && limit !== undefined) {
    rows.push(row(texts.details.outlier, figure(outlier), fill(texts.details.at_most, { value: figure(limit) })));
  }
  if (spread !== null && frames.length > 1) rows.push(row(texts.details.spread, figure(spread), ""));
  rows.push(row(texts.details.time, fill(texts.details.milliseconds, { value: Math.round(milliseconds) }), ""));
  byId("quality-rows").replaceChildren(...rows);
}

/** Fill in the result; scores are shown for a verdict only, never for a picture to be retaken or that cannot be judged. */
export function showVerdict(burst: BurstAssessment, manifest: Manifest, milliseconds: number): void {
  const { assessment, agreement } = burst;
  const { decision } = assessment;
  const scored = decision === "refer" || decision === "low_concern";
  byId("result").dataset.decision = decision;
  byId("verdict").textContent = texts.verdict[decision];
  byId("meaning").textContent = decision === "retake" && agreement !== null ? texts.burst.disagree : texts.meaning[decision];
  const advice = adviceOn(burst);
  list("advice", advice);
  byId("advice").hidden = !advice.length;
  byId("scored").hidden = !scored;
  byId("classes").hidden = !scored;
  if (scored) {
    showScore(assessment);
    showBurst(burst);
    showReliability(assessment);
  }
  showDetails(burst, manifest, milliseconds);
}
