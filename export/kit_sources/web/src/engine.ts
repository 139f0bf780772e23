/** The inference call: LiteRT.js on the CPU, one thread, XNNPACK kernels compiled to WebAssembly. */

import { loadAndCompile, loadLiteRt, Tensor, type CompiledModel } from "@litertjs/core";

import { BundleError } from "./errors.js";
import type { Manifest, Variant } from "./manifest.js";

/** Outputs by role, one image. */
export interface Outputs {
  probabilities: Float32Array;
  scores: Float32Array;
  outlier: Float32Array | null;
}

let runtime: Promise<unknown> | undefined;

/** A compiled model; make it with `Engine.open`. */
export class Engine {
  private constructor(private readonly model: CompiledModel, readonly variant: Variant, private readonly size: number) {}

  /**
   * Compile a model. Its bytes must have been checked with `verifyFile`.
   *
   * @param wasm address of litert_wasm_compat_internal.js, beside which the .wasm file lies. This build needs no relaxed SIMD,
   *   whose results may differ from processor to processor.
   * @throws BundleError LiteRT.js refuses the model, or it lacks an input or output.
   */
  static async open(manifest: Manifest, variant: Variant, model: Uint8Array<ArrayBuffer>, wasm: string): Promise<Engine> {
    if (variant.runtime !== "litert") throw new BundleError("refused", `variant ${variant.name} is for ${variant.runtime}`);
    runtime ??= loadLiteRt(wasm);
    try {
      await runtime;
    } catch (error) {
      runtime = undefined;
      throw error;
    }
    let compiled: CompiledModel;
    try {
      compiled = await loadAndCompile(model, { accelerator: "wasm" });
    } catch (error) {
      throw new BundleError("refused", `variant ${variant.name}: LiteRT.js refuses it (${(error as Error).message})`);
    }
    const names = new Set([...compiled.getInputDetails(), ...compiled.getOutputDetails()].map((tensor) => tensor.name));
    const missing = [variant.input_name, ...Object.values(variant.outputs)].filter((name) => !names.has(name));
    if (missing.length) throw new BundleError("refused", `variant ${variant.name}: the model has no ${missing.join(", ")}`);
    return new Engine(compiled, variant, manifest.input.size);
  }

  /** Run on uint8 RGB [size, size, 3]. */
  async run(image: Uint8Array<ArrayBuffer>): Promise<Outputs> {
    const input = Tensor.fromTypedArray(image, [1, this.size, this.size, 3]);
    let tensors: Record<string, Tensor> = {};
    try {
      tensors = await this.model.run({ [this.variant.input_name]: input });
      const read = async (name: string): Promise<Float32Array> => Float32Array.from(await tensors[name]!.data());
      const { probabilities, scores, outlier } = this.variant.outputs;
      return {
        probabilities: await read(probabilities),
        scores: await read(scores),
        outlier: outlier === undefined ? null : await read(outlier),
      };
    } finally {
      for (const tensor of [input, ...Object.values(tensors)]) tensor.delete();
    }
  }
}
