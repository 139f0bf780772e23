"""ONNX to TFLite by onnx2tf and TensorFlow's own converter; runs in the environment of onnx2tf.txt.

Usage: onnx2tf_convert.py MODEL.onnx INPUT_NAME IMAGES.npy OUT, where uint8 images [N, S, S, 3] fix activation ranges.
"""

import json
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx2tf
import tensorflow as tf


def main(model: str, input_name: str, images: str, out: str) -> None:
    # Without this file in the working directory onnx2tf would download photographs, which this conversion has no use for.
    np.save("calibration_image_sample_data_20x128x128x3_float32.npy", np.zeros((20, 128, 128, 3), np.float32))
    folder = Path(out)
    # onnx2tf writes its simplified graph over the file that it is given.
    copy = shutil.copyfile(model, "copy.onnx")
    onnx2tf.convert(
        input_onnx_file_path=copy,
        output_folder_path="saved_model",
        output_signaturedefs=True,
        copy_onnx_input_output_names_to_tflite=True,
        keep_shape_absolutely_input_names=[input_name],
        non_verbose=True,
    )
    for precision in ("float32", "float16"):
        (Path("saved_model") / f"copy_{precision}.tflite").rename(folder / f"{precision}.tflite")
    calibration = np.load(images)
    for name in ("dynamic_wi8_afp32", "static_wi8_ai8"):
        converter = tf.lite.TFLiteConverter.from_saved_model("saved_model")
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if name.startswith("static"):
            converter.representative_dataset = lambda: ([image[None]] for image in calibration)
            converter.inference_input_type = tf.uint8
        (folder / f"{name}.tflite").write_bytes(converter.convert())
    versions = {package: version(package) for package in ("onnx2tf", "tensorflow", "onnx", "numpy")}
    (folder / "versions.json").write_text(json.dumps(versions), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
