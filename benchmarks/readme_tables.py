"""The tables of the README: figures to Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks import wording
from benchmarks.figure_list import Figure
from benchmarks.peers.results import PeersReport
from mobile_runtime.manifest import Estimate

DATASETS = {"ham10000": "HAM10000, dermoscopy", "isic2017": "ISIC 2017, dermoscopy", "pad_ufes_20": "PAD-UFES-20, smartphone"}
RUNTIMES = {
    "litert": "LiteRT {version}, {precision}",
    "onnxruntime": "ONNX Runtime {version}, {precision}",
    "openvino": "OpenVINO {version}, {precision}",
    "executorch": "ExecuTorch {version} with XNNPACK, {precision}",
    "pytorch": "PyTorch {version} eager, {precision}",
    "skintriage": "picture file to verdict: `assess()`",
    "mediapipe": "picture file to scores: MediaPipe {version} `ImageClassifier`",
}
ACCURACY = {
    "malignancy AUC": "auc_malignancy",
    "melanoma against nevus AUC": "auc_melanoma_vs_nevus",
    "macro AUC": "auc_macro",
    "balanced accuracy": "balanced_accuracy",
    "`rule_out`: sensitivity": "sensitivity",
    "`rule_out`: specificity": "specificity",
}


def _interval(figure: Figure | None, scale: float = 1, digits: int = 3, n: bool = False) -> str:
    if figure is None:
        return ""
    text = f"{figure.value * scale:.{digits}f}"
    if figure.low is not None and figure.high is not None:
        text += f" ({figure.low * scale:.{digits}f} to {figure.high * scale:.{digits}f})"
    return text + (f", n={figure.n:,}" if n and figure.n else "")


def _percent(figure: Figure | None, n: bool = False) -> str:
    return _interval(figure, 100, 1, n).replace(")", ") %", 1) if figure is not None else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def accuracy(figures: Mapping[str, Figure], variant: str) -> str:
    """How well the variant tells lesions apart, a column for each data set."""
    head = [""]
    for dataset, title in DATASETS.items():
        images = figures[f"drift.{dataset}.{variant}.auc_malignancy"].n
        head.append(f"{title}, n={images:,}")
    rows = []
    for title, name in ACCURACY.items():
        prefixes = [f"drift.{dataset}.{variant}." for dataset in DATASETS]
        # With one class named exactly, as in ISIC 2017, balanced accuracy is that class's recall and would mislead.
        shown = [name != "balanced_accuracy" or f"{prefix}auc_macro" in figures for prefix in prefixes]
        cells = (
            _interval(figures.get(f"{prefix}{name}")) if keep else "" for prefix, keep in zip(prefixes, shown, strict=True)
        )
        rows.append([title, *cells])
    return table(head, rows)


def compression(figures: Mapping[str, Figure], variant: str) -> str:
    """Every variant beside float32, on HAM10000."""
    head = [
        "variant, on HAM10000",
        "MB",
        "malignancy AUC",
        "difference to float32",
        "same verdict",
        "malignant or premalignant, no longer referred",
    ]
    prefix = "drift.ham10000."
    names = [key.split(".")[2] for key in figures if key.startswith(prefix) and key.endswith(".size_mb")]
    rows = []
    for name in sorted(names, key=lambda name: (name != "float32", name != variant, name)):
        of = {
            part: figures.get(f"{prefix}{name}.{part}") for part in ("size_mb", "auc_malignancy", "auc_difference", "agreement")
        }
        lost = figures.get(f"{prefix}{name}.malignant_no_longer_referred")
        cells = [_interval(of["size_mb"], digits=2), _interval(of["auc_malignancy"]), _interval(of["auc_difference"], digits=4)]
        rows.append([f"`{name}`", *cells, _percent(of["agreement"]), "" if lost is None else f"{lost.value:.0f} of {lost.n}"])
    return table(head, rows)


def outcomes(figures: Mapping[str, Figure], variant: str, prevalence: float) -> str:
    """What the verdicts mean for 1,000 patients."""
    prefix = f"decisions.ham10000.{variant}.set_aside."
    rows = [
        ["malignant lesions given `low_concern`", _interval(figures.get(f"{prefix}missed_per_1000"), digits=1)],
        ["benign lesions referred", _interval(figures.get(f"{prefix}over_referred_per_1000"), digits=0)],
        ["referrals for each malignant lesion found", _interval(figures.get(f"{prefix}number_needed_to_refer"), digits=1)],
        ["negative predictive value", _percent(figures.get(f"{prefix}npv"))],
    ]
    return table([f"of 1,000 patients, {1000 * prevalence:g} with {wording.MALIGNANT}, if they were like HAM10000's", ""], rows)


def gates(figures: Mapping[str, Figure], variant: str) -> str:
    """What the gates turn away, and how often a verdict flips."""
    measured_on = [dataset for dataset in DATASETS if f"gates.{dataset}.{variant}.false_retakes" in figures]
    titles = {
        "clean images turned away as poor": "false_retakes",
        "clean images abstained on": "abstained",
        "degraded images turned away at the strongest of five severities, worst kind": "",
        "drawings that are not skin, given no score": "not_skin_not_scored",
        "verdict flips between views of one lesion, single frame": "flips_single_frame",
        "the same, burst of five": "flips_burst_of_five",
    }
    rows = []
    for title, name in titles.items():
        cells = []
        for dataset in measured_on:
            prefix = f"gates.{dataset}.{variant}."
            strongest = [figures[key] for key in figures if key.startswith(prefix) and key.endswith(".5.turned_away")]
            cells.append(_percent(figures.get(f"{prefix}{name}") if name else min(strongest, key=_value), n=True))
        rows.append([title, *cells])
    names = [DATASETS[dataset].split(",")[0] for dataset in measured_on]
    return table([f"gates on {names[0]}", ""] if len(names) == 1 else ["gates", *names], rows)


def robustness(figures: Mapping[str, Figure], variant: str) -> str:
    """The worst kinds of damage, and what the golden vectors catch."""
    prefix = f"robustness.ham10000.{variant}."
    faults = {
        key[len(prefix) :].split(".")[0] for key in figures if key.startswith(prefix) and key.endswith("caught_by_golden")
    }
    caught = [figures[f"{prefix}{fault}.caught_by_golden"].value for fault in faults]
    worst: dict[str, Figure] = {}  # of each kind of damage, at the severity where it is worst
    for key, share in figures.items():
        kind, *rest = key.removeprefix(prefix).split(".")
        if key.startswith(prefix) and rest[1:] == ["reassured"] and share.value >= worst.get(kind, share).value:
            worst[kind] = share
    titles = sorted(worst, key=lambda kind: (-worst[kind].value, kind))[:4]
    rows = [[f"{kind.replace('_', ' ')}, at the worst of five severities", _percent(worst[kind], n=True)] for kind in titles]
    rows.append(["mistakes in a port's pipeline that the golden vectors catch", f"{sum(caught):.0f} of {len(caught)}"])
    head = f"malignant, `refer` undamaged, but `low_concern` damaged (HAM10000): the four worst of {len(worst)} kinds of damage"
    return table([head, ""], rows)


def speed(figures: Mapping[str, Figure], variant: str) -> str:
    """Times and memory of the variant and of float32."""
    rows = []
    for name, title in ((variant, "int8"), ("float32", "float32")):
        prefix = f"latency.{name}.threads_1."
        rows.append(
            [
                title,
                *(
                    _interval(figures.get(f"{prefix}{part}"), digits=digits)
                    for part, digits in (
                        ("inference_p50_ms", 2), ("inference_p90_ms", 2), ("assess_p50_ms", 2), ("peak_memory_mb", 0)
                    )
                ),
            ]
        )  # fmt: skip
    head = [
        "one core of a server, not a phone",
        "inference p50, ms",
        "p90, ms",
        "`assess()` of a 600x450 JPEG, p50, ms",
        "MB, peak",
    ]
    return table(head, rows)


def peers(report: PeersReport) -> str:
    """The same network in other runtimes."""
    rows = []
    # Stored keys are sorted; the table goes from this project's own runtime to the others.
    for run in sorted(report.runs.values(), key=lambda run: (list(RUNTIMES).index(run.runtime), run.precision)):
        version = run.version
        difference = "" if run.largest_difference is None else f"{run.largest_difference:.1e}"
        times = [_interval(_figure(found), digits=2) for found in (run.p50_ms, run.p90_ms, run.ratio)]
        title = RUNTIMES[run.runtime].format(version=version, precision=run.precision)
        rows.append([title, *times, difference])
    processor = report.environment.cpu.replace("(R)", "")
    head = [
        f"the same network on one core of a server ({processor}), not a phone",
        "p50, ms",
        "p90, ms",
        "times LiteRT float32, or `assess()`",
        "largest difference of a score from LiteRT float32",
    ]
    return table(head, rows)


def _figure(found: Estimate | None) -> Figure | None:
    return None if found is None else Figure(**found.model_dump())


def _value(figure: Figure) -> float:
    return figure.value
