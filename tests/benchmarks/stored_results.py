"""Small stored results of every kind, as dictionaries to change."""

from __future__ import annotations

from typing import Any

ENVIRONMENT = {
    "evidence": "desktop",
    "fingerprint": "a" * 16,
    "cpu": "Test CPU",
    "architecture": "x86_64",
    "cores": 2,
    "cores_allowed": 2,
    "memory_bytes": None,
    "system": "Linux",
    "python": "CPython 3.11",
    "packages": {},
    "load_average": None,
}
DATASET = {
    "name": "ham10000",
    "labels": "<labels>.csv",
    "labels_sha256": "b" * 64,
    "images_sha256": "c" * 64,
    "images": 100,
    "groups": 90,
    "group_column": "lesion_id",
    "malignant": 20,
    "benign": 80,
    "undecided": 0,
    "exact_class": 100,
    "per_label": {"mel": 20, "nv": 80},
    "missing": [],
    "seen": [],
    "unlabelled": 0,
    "unreadable": [],
}


UNSTATED = {"default_variant": None, "default_operating_point": None}
"""As in results from before they stated what the default is."""


def estimate(value: float, n: int = 100, half: float = 0.05) -> dict[str, Any]:
    return {"value": value, "low": max(0.0, value - half), "high": min(1.0, value + half), "n": n}


def gap(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.002, "high": value + 0.002}


def _common(kind: str, bundle: str) -> dict[str, Any]:
    return {"kind": kind, "command": f"python -m benchmarks {kind}", "bundle": bundle, "environment": ENVIRONMENT}


def _on_images(kind: str, bundle: str) -> dict[str, Any]:
    return {
        **_common(kind, bundle),
        "variant": "int8",
        "operating_point": "rule_out",
        "default_variant": "int8",
        "default_operating_point": "rule_out",
        "dataset": dict(DATASET),
    }


def drift(bundle: str = "b", difference: float = -0.001, auc: float = 0.9) -> dict[str, Any]:
    point = {
        "threshold": 0.1,
        "sensitivity": estimate(0.95, 20),
        "specificity": None,
        "agreement": estimate(0.99, half=0.01),
        "refer_lost": 1,
        "refer_lost_malignant": 1,
        "refer_gained": 0,
        "abstain_lost": 0,
        "abstain_gained": 0,
        "mcnemar_p": 1.0,
    }
    moved = {"probability_mean": 0, "probability_max": 0, "malignancy_mean": 0, "malignancy_max": 0}
    reference: dict[str, Any] = {
        "runtime": "litert",
        "precision": "float32",
        "engine": "fake",
        "size_bytes": 9_000_000,
        "auc_malignancy": estimate(0.9),
        "auc_macro": None,
        "auc_per_class": {},
        "accuracy": estimate(0.8),
        "balanced_accuracy": None,
        "ece_malignancy": 0.03,
        "differences": None,
        "verdict": None,
        "confidence_drift": moved,
        "operating_points": {"rule_out": point},
        "flips": [],
    }
    gaps = {"auc_malignancy_delong": None, "auc_malignancy_bootstrap": gap(difference), "auc_macro_delong": None}
    int8 = {
        **reference,
        "auc_malignancy": estimate(auc),
        "size_bytes": 3_000_000,
        "differences": gaps,
        "verdict": {"outcome": "non-inferior", "margin": 0.005},
        "ece_malignancy_uncalibrated": 0.07,
        "temperature": 1.3,
    }
    return {
        **_common("drift", bundle),
        "reference": "float32",
        "operating_point": "rule_out",
        "margin": 0.005,
        "resamples": 2000,
        "seed": 0,
        "dataset": dict(DATASET),
        "variants": {"float32": reference, "int8": int8},
        "not_run": {},
        "notes": [],
    }


def decisions(bundle: str = "b") -> dict[str, Any]:
    needed = {"value": 5.0, "low": 4.0, "high": None, "n": 100}
    names = ("missed_per_1000", "over_referred_per_1000", "referred_per_1000", "unanswered_per_1000")
    outcome = {
        **{name: estimate(0.5) for name in names},
        "number_needed_to_refer": needed,
        "ppv": None,
        "npv": estimate(0.99, half=0.005),
    }
    curve = [
        {"threshold": t / 100, "locked": estimate(0.03), "score": estimate(0.02), "refer_all": 0.05 - t / 500}
        for t in range(1, 51)
    ]
    kept = {"coverage": 1.0, "limit": 3.0, "missed": estimate(0.1, 20), "wrong": None, "auc_malignancy": None}
    group = {"images": 60, "malignant": 12, "benign": 48, "sensitivity": estimate(0.9), "specificity": None}
    grouping = {
        "edges": None,
        "groups": {"<female>": {**group, "auc_malignancy": None}},
        "withheld": {"unknown": 3},
        "gaps": dict.fromkeys(("specificity", "auc_malignancy"))
        | {"sensitivity": {"best": "<female>", "worst": "male", "difference": gap(0.1)}},
    }
    share = estimate(0.9, 20)
    return {
        **_on_images("decisions", bundle),
        "threshold": 0.1,
        "prevalence": 0.05,
        "floor": 20,
        "verdicts": {},
        "malignant_unanswered": estimate(0.05, 20),
        "outcomes": {"set_aside": outcome, "referred": outcome},
        "decision_curve": curve,
        "coverage": {"outlier": [kept, {**kept, "coverage": 0.5}]},
        "diagnoses": {"mel": {"malignant": True, "images": 20, "referred": share, "low_concern": share, "unanswered": 0}},
        "subgroups": {"sex": grouping},
        "notes": ["<note>"],
    }


def robustness(bundle: str = "b") -> dict[str, Any]:
    condition = {
        "auc_malignancy": estimate(0.9),
        "change": gap(-0.01),
        "flips": estimate(0.04),
        "lost": None,
        "reassured": None,
        "turned_away": estimate(0.1),
    }
    golden = {"caught": True, "stage": "upright", "cases": ["png"]}
    return {
        **_on_images("robustness", bundle),
        "threshold": 0.1,
        "seed": 0,
        "undamaged": condition,
        "corruptions": {"blur": {"about": "", "strengths": [1, 2, 3, 4, 5], "severities": [condition] * 5}},
        "faults": {"bgr": {"about": "swaps", "condition": condition, "golden": golden}},
        "notes": [],
    }


def gates(bundle: str = "b") -> dict[str, Any]:
    return {
        **_on_images("gates", bundle),
        "seed": 0,
        "false_retakes": estimate(0.02),
        "retake_reasons": {},
        "caught_by_severity": {"no lesion": [estimate(s / 5) for s in range(1, 6)]},
        "abstained_in_distribution": estimate(0.01),
        "not_skin": {},
        "not_skin_not_scored": estimate(1.0, 320),
        "coverage_risk": [],
        "flips": {"single_frame": estimate(0.04), "single_frame_by_view": {}, "burst_of_five": None},
    }


def latency(bundle: str = "b", p50: float = 2.0) -> dict[str, Any]:
    times = {"p50": p50, "p90": p50 + 1, "p99": p50 + 2, "minimum": p50, "mean": p50, "samples": 128}
    cold = {
        "load_ms": 10,
        "first_invoke_ms": 5,
        "process_ms": 400,
        "peak_memory_bytes": 90_000_000,
        "added_memory_bytes": 0,
        "memory_source": "test",
        "repeats": 3,
    }
    run = {
        "variant": "int8",
        "runtime": "litert",
        "precision": "int8",
        "engine": "fake",
        "size_bytes": 3,
        "threads": 1,
        "pinned": True,
        "inference": times,
        "assess": times,
        "stages": {},
        "cold_start": cold,
    }
    sampling = {"quick": True, "samples": 128, "seconds": 5, "warm_up": 1, "block": 16, "assessments": 32}
    return {
        **_common("latency", bundle),
        "image": {"width": 600, "height": 450, "size_bytes": 1000, "synthetic": True},
        "sampling": sampling,
        "runs": [run],
        "not_run": {},
        "notes": [],
    }


def peers(bundle: str = "b") -> dict[str, Any]:
    def run(precision: str, ratio: float | None, difference: float | None) -> dict[str, Any]:
        return {
            "runtime": "litert",
            "precision": precision,
            "task": "inference",
            "versions": {"ai-edge-litert": "2.3.0"},
            "model_bytes": 3_000_000,
            "load_ms": 20,
            "p50_ms": {"value": 2.0, "low": 1.9, "high": 2.1, "n": 640},
            "p90_ms": {"value": 2.5, "low": 2.4, "high": 2.7, "n": 640},
            "ratio": None if ratio is None else {"value": ratio, "low": ratio, "high": ratio, "n": 640},
            "largest_difference": difference,
        }

    return {
        **_common("peers", bundle),
        "quick": False,
        "references": {"inference": "litert_float32"},
        "rounds": 40,
        "block": 16,
        "pictures": 16,
        "pinned": True,
        "runs": {"litert_float32": run("float32", None, None), "litert_int8": run("int8", 0.5, 0.04)},
        "not_run": {"openvino_int8": "no environment"},
        "notes": [],
    }


def devices(bundle: str = "b") -> dict[str, Any]:
    """As if one target could tell everything."""
    stage = {"checks": 15, "met": 15, "largest": 0.001}
    times = {"p50": 2.0, "p90": 3.0, "p99": 4.0, "minimum": 1.0, "mean": 2.0, "samples": 30}
    named = {"variant": "int8", "kernels": "xnnpack"}
    bits = {
        **named,
        "images": 2,
        "bit_equal_images": 1,
        "values": 20,
        "bit_equal_values": 19,
        "largest_differences": {"scores": 1e-7},
    }
    native = {
        **named,
        "threads": 1,
        "runs": 100,
        **{f"{part}_ms": 2.0 for part in ("init", "first", "mean", "std", "minimum", "maximum")},
        "median_ms": None,
        "p95_ms": None,
        "memory_mb": None,
        "operators_ms": {"Convolution": 1.5},
    }
    page = {"pictures": 4, "scored": 3, "same_decision": 4, "largest_score_difference": 0.01}
    return {
        **_common("devices", bundle),
        "target": "qemu-arm64",
        "evidence": "emulator",
        "device": "<device>",
        "software": {"numpy": "2.0"},
        "images": {"golden": 1, "synthetic": 1},
        # Stored JSON has sorted keys.
        "golden": {"passed": True, "stages": {"outputs": stage, "upright": stage}, "failures": [], "not_run": {"onnx": "no"}},
        "bits": [bits, {**bits, "kernels": "builtin", "bit_equal_values": 18}],
        "instructions": [{**named, "images": 2, "per_inference": 21_600_000}],
        "times": [{"variant": "int8", "what": "shutter to verdict", "times": times}],
        "native": [native],
        "page": page,
        "weight": {"files": 10, "size_bytes": 9_000_000, "gzip_bytes": 3_000_000, "model_bytes": 2_800_000},
        "notes": ["<note>"],
    }


MAKERS = {
    "drift": drift,
    "decisions": decisions,
    "robustness": robustness,
    "gates": gates,
    "latency": latency,
    "peers": peers,
    "devices": devices,
}
