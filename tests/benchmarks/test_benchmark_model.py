"""Command lines for TFLite's benchmark_model and the output that comes back; no device is needed."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.benchmark_model import (
    DEVICE_FOLDER,
    benchmark_command,
    output_sizes,
    parse_benchmark,
    parse_operators,
    parse_outputs,
)
from mobile_runtime import Bundle
from mobile_runtime.errors import EngineError

# Written after the documented format of TensorFlow's benchmark_model (tensorflow/lite/tools/benchmark/README.md and published
# logs); the figures are made up, and nothing here was measured on a phone.
PROFILED = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Min num runs: [100]
INFO: Num threads: [2]
INFO: Min warmup runs: [10]
INFO: Graph: [/data/local/tmp/skintriage/static_wi8_ai8.tflite]
INFO: Enable op profiling: [1]
INFO: #threads used for CPU inference: [2]
INFO: Use xnnpack: [1]
INFO: Loaded model /data/local/tmp/skintriage/static_wi8_ai8.tflite
INFO: Initialized TensorFlow Lite runtime.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
INFO: Explicitly applied XNNPACK delegate, and the model graph will be partially executed by the delegate w/ 1 delegate kernels.
INFO: The input model file size (MB): 2.83221
INFO: Initialized session in 12.481ms.
INFO: Running benchmark for at least 10 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=101 first=9120 curr=4871 min=4790 max=9120 avg=4951.2 std=430 p5=4801 median=4880 p95=5402

INFO: Running benchmark for at least 100 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=204 first=4899 curr=4907 min=4781 max=6120 avg=4902.7 std=131 p5=4795 median=4890 p95=5133

INFO: Inference timings in us: Init: 12481, First inference: 9120, Warmup (avg): 4951.2, Inference (avg): 4902.7
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual memory \
footprint of the model at runtime. Take the information at your discretion.
INFO: Memory footprint delta from the start of the tool (MB): init=7.40234 overall=8.83203
INFO: Profiling Info for Benchmark Initialization:
============================== Run Order ==============================
\t             [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]
\t ModifyGraphWithDelegate\t    9.822\t    9.822\t 97.000%\t 97.000%\t  3716.000\t        1\tModifyGraphWithDelegate/0

Number of nodes executed: 1
============================== Summary by node type ==============================
\t             [Node type]\t  [count]\t  [avg ms]\t    [avg %]\t    [cdf %]\t  [mem KB]\t[times called]
\t ModifyGraphWithDelegate\t        1\t     9.822\t    97.000%\t    97.000%\t  3716.000\t        1

Timings (microseconds): count=1 curr=9822
Memory (bytes): count=0
1 nodes observed


INFO: Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
\t                 [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]
\t     Convolution (NHWC, QC8)\t    1.204\t    1.198\t 24.500%\t 24.500%\t     0.000\t        1\tDelegate/Convolution:0
\t                    QUANTIZE\t    0.021\t    0.020\t  0.400%\t 24.900%\t     0.000\t        1\t[image]:1

Number of nodes executed: 64
============================== Summary by node type ==============================
\t                 [Node type]\t  [count]\t  [avg ms]\t    [avg %]\t    [cdf %]\t  [mem KB]\t[times called]
\t     Convolution (NHWC, QC8)\t       52\t     4.611\t    94.064%\t    94.064%\t     0.000\t       52
\t    Add (ND, QS8)\t       10\t     0.231\t     4.712%\t    98.776%\t     0.000\t       10
\t                    QUANTIZE\t        2\t     0.060\t     1.224%\t   100.000%\t     0.000\t        2

Timings (microseconds): count=204 first=4890 curr=4905 min=4779 max=6111 avg=4902 std=130
Memory (bytes): count=0
64 nodes observed
"""
ONE_RUN = """\
STARTING!
Initialized session in 5.685ms.
Running benchmark for at least 1 iterations and at least 0 seconds but terminate if exceeding 150 seconds.
count=1 curr=2041765

Inference timings in us: Init: 5685, First inference: 2041765, Warmup (avg): 2.04176e+06, Inference (avg): 2.04176e+06
"""
REFUSED = (
    "STARTING!\nLoaded model /data/local/tmp/m.tflite\nERROR: Didn't find op for builtin opcode 'RELU6'\nBenchmarking failed.\n"
)


def test_a_timed_run_names_threads_kernels_warm_up_and_profiling() -> None:
    words = benchmark_command("int8.tflite", "builtin", threads=4, profile=True)
    assert words[0] == f"{DEVICE_FOLDER}/benchmark_model"
    flags = dict(word.removeprefix("--").split("=") for word in words[1:])
    assert flags == {
        "graph": f"{DEVICE_FOLDER}/int8.tflite",
        "num_threads": "4",
        "use_xnnpack": "false",
        "warmup_runs": "10",
        "num_runs": "100",
        "enable_op_profiling": "true",
    }
    assert "--use_xnnpack=true" in benchmark_command("int8.tflite", "xnnpack")


def test_a_golden_run_feeds_one_picture_once_and_writes_what_comes_out() -> None:
    words = benchmark_command("int8.tflite", "xnnpack", picture="png.bin", size=144)
    assert "--num_runs=1" in words and "--warmup_runs=0" in words
    assert "--input_layer=image" in words and "--input_layer_shape=1,144,144,3" in words
    assert f"--input_layer_value_files=image:{DEVICE_FOLDER}/png.bin" in words
    assert f"--output_filepath={DEVICE_FOLDER}/png.bin.out" in words


def test_figures_of_a_profiled_run() -> None:
    found = parse_benchmark(PROFILED, "static_wi8_ai8", "xnnpack", 2)
    assert (found.runs, found.init_ms, found.first_ms) == (204, 12.481, 9.12)
    assert found.mean_ms == pytest.approx(4.9027)
    assert (found.minimum_ms, found.maximum_ms, found.std_ms) == pytest.approx((4.781, 6.12, 0.131))
    assert (found.median_ms, found.p95_ms) == pytest.approx((4.89, 5.133))
    assert found.memory_mb == pytest.approx(8.83203)
    assert found.operators_ms == {"Convolution (NHWC, QC8)": 4.611, "Add (ND, QS8)": 0.231, "QUANTIZE": 0.06}


def test_older_builds_and_log_prefixes() -> None:
    prefixed = "".join(
        f"07-08 15:33:56.256 I/tflite  ( 5395): {line}\n" for line in PROFILED.splitlines() if "=====" not in line
    )
    assert parse_benchmark(prefixed, "v", "xnnpack", 2).runs == 204
    short = parse_benchmark(ONE_RUN, "v", "builtin", 1)
    assert short.runs == 1 and short.mean_ms == short.minimum_ms == pytest.approx(2041.765)
    assert short.median_ms is None and short.memory_mb is None and short.operators_ms == {}
    assert parse_operators("nothing of the kind") == {}


@pytest.mark.parametrize(("text", "said"), [(REFUSED, "ERROR: Didn't find op"), ("", "no result in its output")])
def test_a_run_without_figures_says_why(text: str, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        parse_benchmark(text, "int8", "xnnpack", 1)


def test_outputs_come_back_by_role() -> None:
    values = np.arange(9, dtype=np.float32)
    found = parse_outputs(values.tobytes(), {"scores": 2, "probabilities": 7})
    assert found["scores"].tolist() == [0, 1] and found["probabilities"].tolist() == list(range(2, 9))
    with pytest.raises(EngineError, match="35 bytes of outputs, not 36"):
        parse_outputs(values.tobytes()[:-1], {"scores": 2, "probabilities": 7})


def test_the_graph_of_the_shipped_bundle_tells_the_order_of_its_outputs() -> None:
    bundle = Bundle.load()
    variant = bundle.variant()
    sizes = output_sizes(bundle, variant)
    assert set(sizes) == set(variant.outputs)
    assert sizes["probabilities"] == len(bundle.manifest.classes) and sizes["scores"] == len(bundle.manifest.scores)
