"""Limits on results: what ships, what does not, what cannot be judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks import release_gate
from benchmarks.commands import app
from benchmarks.gate_limits import Limits, read_limits
from benchmarks.release_gate import GateReport
from benchmarks.stored import read_result
from mobile_runtime.errors import DataError
from tests.benchmarks import stored_results
from tests.benchmarks.judging import failures, judged, result, store
from tests.benchmarks.stored_results import MAKERS

runner = CliRunner()
RESULTS = Path(release_gate.__file__).parent / "results"
JUDGED_OUTCOMES = ("risk_against_chance", "unanswered_per_1000")


@pytest.mark.parametrize(
    ("rule", "ship"),
    [
        ({"bound": "low", "at_least": -0.005}, True),  # -0.001 [-0.003, 0.001]
        ({"bound": "low", "at_least": -0.002}, False),
        ({"at_least": -0.002}, True),
        ({"bound": "high", "at_most": 0.0005}, False),
        ({"at_most": -0.001}, True),
    ],
)
def test_an_absolute_limit_is_on_the_stated_end(rule: dict[str, Any], ship: bool) -> None:
    found = judged({"figure": "drift.*.auc_difference", **rule}, stored_results.drift())
    assert found.ship is ship and len(found.checks) == 1
    assert "int8.auc_difference: -0.001 [-0.003, 0.001], n=100, " in found.checks[0].said


@pytest.mark.parametrize(
    ("figure", "outcome", "hopeful"),
    [
        ({"value": 0.96, "low": 0.94, "high": 0.97, "n": 1000}, "failed", True),
        ({"value": 0.94, "low": 0.92, "high": 0.96, "n": 1000}, "failed", False),
        ({"value": 1.0, "low": 0.94, "high": 1.0, "n": 60}, "too few", False),
    ],
)
def test_more_images_are_asked_for_where_they_might_help(figure: dict[str, float], outcome: str, hopeful: bool) -> None:
    document = stored_results.drift()
    document["variants"]["int8"]["operating_points"]["rule_out"]["agreement"] = figure
    (check,) = judged({"figure": "drift.*.int8.agreement", "bound": "low", "at_least": 0.95}, document).checks
    assert check.outcome == outcome and ("more images might show it" in check.said) is hopeful


def test_a_model_without_skill_does_not_ship() -> None:
    document = stored_results.drift()
    for variant in document["variants"].values():
        variant["auc_malignancy"] = stored_results.estimate(0.51)
        for decisions in variant["operating_points"].values():
            decisions["sensitivity"] = stored_results.estimate(0.46)
    decisions = result(stored_results.decisions())
    found = release_gate.judge([result(document), decisions], read_limits())
    assert {check.figure for check in found.checks if check.outcome == "failed"} == {
        f"drift.ham10000.{name}.{figure}"
        for name in ("float32", "int8")
        for figure in ("auc_malignancy", "sensitivity", "sensitivity_at_rule_out")
    }
    assert release_gate.judge([result(stored_results.drift()), decisions], read_limits()).ship


def test_swapped_names_of_classes_do_not_ship() -> None:
    """Malignancy may be as good as before where the classes' names are not theirs."""
    kept = release_gate.judge([result(stored_results.drift()), result(stored_results.decisions())], read_limits())
    assert kept.ship
    document, before = stored_results.drift(), stored_results.drift("old")
    before["variants"]["int8"]["auc_macro"] = stored_results.estimate(0.9)
    document["variants"]["int8"] |= {"auc_macro": stored_results.estimate(0.66), "accuracy": stored_results.estimate(0.3)}
    found = release_gate.judge([result(document), result(stored_results.decisions())], read_limits(), [result(before)])
    said = [check.said for check in found.checks if check.outcome == "failed" and "old" not in check.figure]
    assert [one.split(":")[0] for one in said if ".int8." in one] == [
        "drift.ham10000.int8.auc_macro", "drift.ham10000.int8.auc_macro", "drift.ham10000.int8.accuracy",
    ]  # fmt: skip


def test_a_build_that_turns_no_bad_picture_away_does_not_ship() -> None:
    document = stored_results.gates()
    results = [result(stored_results.drift()), result(stored_results.decisions())]
    document["caught_by_severity"] = {"blur": [stored_results.estimate(1.0, half=0.04)] * 5}
    assert release_gate.judge([*results, result(document)], read_limits()).ship
    document["caught_by_severity"] = {"blur": [stored_results.estimate(0.0)] * 5}
    found = release_gate.judge([*results, result(document)], read_limits())
    assert [check.figure for check in found.checks if check.outcome == "failed"] == ["gates.ham10000.int8.blur.5.turned_away"]


def test_the_floor_on_rule_out_holds_whatever_point_was_compared() -> None:
    document = stored_results.drift()
    for variant in document["variants"].values():
        lenient = {**variant["operating_points"]["rule_out"], "sensitivity": stored_results.estimate(0.6)}
        variant["operating_points"] = {"rule_out": lenient, "balanced": variant["operating_points"]["rule_out"]}
    document["operating_point"] = "balanced"
    found = release_gate.judge([result(document)], read_limits())
    assert "drift.ham10000.int8.sensitivity_at_rule_out" in {c.figure for c in found.checks if c.outcome == "failed"}


@pytest.mark.parametrize(("prevalence", "npv", "ship"), [(0.01, 0.99, False), (0.01, 0.998, True), (0.5, 0.9, True)])
def test_an_npv_is_judged_against_chance(prevalence: float, npv: float, ship: bool) -> None:
    document = {**stored_results.decisions(), "prevalence": prevalence}
    for outcomes in document["outcomes"].values():
        outcomes["npv"] = stored_results.estimate(npv, half=0.001)
    limits = [each for each in read_limits().limits if each.figure.endswith("risk_against_chance")]
    found = release_gate.judge([result(document)], Limits(schema_version=1, limits=limits))
    assert found.ship is ship and len(found.checks) == 1 and not found.notes


def test_the_stored_results_ship() -> None:
    names = ("drift_ham10000", "decisions_ham10000", "robustness_ham10000")
    gates = ("gates_ham10000", "gates_isic2017")
    found = release_gate.judge([read_result(RESULTS / f"{name}.json") for name in (*names, *gates)], read_limits())
    assert found.ship, failures(found)
    kept = {check.figure for check in found.checks if check.outcome == "kept"}
    assert {f"gates.{place}.static_wi8_ai8.abstained" for place in ("ham10000", "isic2017")} < kept
    assert {f"decisions.ham10000.static_wi8_ai8.set_aside.{name}" for name in JUDGED_OUTCOMES} < kept


def test_by_the_gates_of_the_smallest_data_set_alone_they_do_not_as_the_readme_says() -> None:
    names = ("drift_ham10000", "decisions_ham10000", "gates_pad_ufes_20")
    found = release_gate.judge([read_result(RESULTS / f"{name}.json") for name in names], read_limits())
    failed = {
        check.figure.removeprefix("gates.pad_ufes_20.static_wi8_ai8.") for check in found.checks if check.outcome == "failed"
    }
    assert failed == {"false_retakes", "blue_cast.5.turned_away"}
    kept = {check.figure for check in found.checks if check.outcome == "kept"}
    assert "gates.pad_ufes_20.static_wi8_ai8.abstained" in kept


def test_a_verdict_without_a_limit_on_accuracy_says_so() -> None:
    said = ["no limit on accuracy was judged"]
    assert judged({"figure": "decisions.*.set_aside.npv", "at_least": 0.9}, stored_results.decisions()).notes == said
    assert judged({"figure": "drift.*.auc_difference", "at_least": -1}, stored_results.drift()).notes == said
    floor = {"figure": "drift.*.auc_malignancy", "at_least": 0.7}
    assert judged(floor, stored_results.drift()).notes == []
    assert judged({**floor, "required": False}, stored_results.gates()).notes == said


@pytest.mark.parametrize(("auc", "ship"), [(0.9, True), (0.892, True), (0.888, False)])
def test_a_relative_limit_is_on_the_change(auc: float, ship: bool) -> None:
    limit = {"figure": "drift.*.int8.auc_malignancy", "may_fall_by": 0.01}
    found = judged(limit, stored_results.drift("new", auc=auc), baseline=[stored_results.drift("old")])
    assert found.ship is ship and "may fall by 0.01 from 0.9" in found.checks[0].said
    alone = judged(limit, stored_results.drift("new", auc=auc))
    assert not alone.ship and alone.checks[0].outcome == "not judged" and "no baseline" in alone.checks[0].said


def test_a_variant_that_a_release_adds_is_judged_by_limits_of_its_own() -> None:
    old, new = stored_results.drift("old"), {**stored_results.drift("new"), "default_variant": "int8"}
    new["variants"]["int4"] = {**new["variants"]["int8"], "auc_malignancy": stored_results.estimate(0.8)}
    change = {"figure": "drift.*.auc_malignancy", "may_fall_by": 0.01}
    found = judged(change, new, baseline=[old])
    assert found.ship
    said = "int4 is not in the baseline and not the default, so only limits of its own hold"
    assert [check.said for check in found.checks if check.outcome == "not judged"] == [
        f"drift.ham10000.int4.auc_malignancy: {said}"
    ]
    assert failures(judged({"figure": "drift.*.auc_malignancy", "at_least": 0.85}, new, baseline=[old])) == [
        "drift.ham10000.int4.auc_malignancy: 0.8 [0.75, 0.85], n=100, must be at least 0.85"
    ]
    for default in "int4", None:
        refused = judged(change, {**new, "default_variant": default}, baseline=[old])
        assert failures(refused) == ["drift.ham10000.int4.auc_malignancy: not in the baseline"]
    # Elsewhere the release before did measure it.
    other = {**stored_results.drift("old"), "dataset": {**old["dataset"], "name": "isic2017"}}
    other["variants"]["int4"] = new["variants"]["int4"]
    assert failures(judged(change, new, baseline=[old, other])) == [
        "drift.isic2017.float32.auc_malignancy: in the baseline, but not in the results",
        "drift.isic2017.int8.auc_malignancy: in the baseline, but not in the results",
        "drift.isic2017.int4.auc_malignancy: in the baseline, but not in the results",
        "drift.ham10000.int4.auc_malignancy: not in the baseline",
    ]


def test_the_release_before_is_the_older_one() -> None:
    limit = {"figure": "drift.*.auc_malignancy", "may_fall_by": 0.01}
    for old, new in (("x-0.9.0+aa", "x-0.10.0+bb"), ("x-1.0.0+aa", "x-1.0.0+bb"), ("y-2.0.0+aa", "x-1.0.0+bb")):
        assert judged(limit, stored_results.drift(new), baseline=[stored_results.drift(old)]).ship
    with pytest.raises(DataError, match=r"the baseline, x-0\.10\.0\+bb, is newer"):
        judged(limit, stored_results.drift("x-0.9.0+aa"), baseline=[stored_results.drift("x-0.10.0+bb")])


def test_a_required_figure_that_is_missing_fails() -> None:
    limit = {"figure": "gates.*.false_retakes", "at_most": 0.1}
    assert not judged(limit, stored_results.drift()).ship
    passed = judged({**limit, "required": False}, stored_results.drift())
    assert [check.outcome for check in passed.checks] == ["not judged"]
    assert not passed.ship  # nothing was judged at all
    worse = {"figure": "latency.*.inference_p50_ms", "may_rise_by": 0.5}
    assert not judged(worse, stored_results.latency(), baseline=[stored_results.drift("old")]).ship
    slow = judged(worse, stored_results.latency(p50=3), baseline=[stored_results.latency("old")])
    assert not slow.ship and "may rise by 0.5 from 2" in slow.checks[0].said


@pytest.mark.parametrize(
    ("found", "images", "outcome"),
    [((1.0, 0.9417, 1.0), 62, "too few"), ((0.96, 0.90, 0.99), 73, "failed"), ((0.94, 0.85, 0.98), 62, "failed")],
)
def test_a_share_of_too_few_images_cannot_be_judged(
    found: tuple[float, float, float], images: int, outcome: str, tmp_path: Path
) -> None:
    document = stored_results.drift()
    for variant in document["variants"].values():
        for point in variant["operating_points"].values():
            if point["agreement"] is not None:
                point["agreement"] = dict(zip(("value", "low", "high", "n"), (*found, images), strict=True))
    limit = {"figure": "drift.*.agreement", "bound": "low", "at_least": 0.95}
    report = judged(limit, document)
    assert not report.ship and {check.outcome for check in report.checks} == {outcome}
    assert ("62 images are too few whatever they show: 73 are needed" in report.checks[0].said) is (outcome == "too few")
    limits = tmp_path / "limits.yaml"
    limits.write_text(json.dumps({"schema_version": 1, "limits": [limit]}), encoding="utf-8")
    ended = runner.invoke(app, ["gate", store(tmp_path, "drift.json", document), "--limits", str(limits)])
    assert ended.exit_code == (2 if outcome == "too few" else 1)
    assert ("cannot be judged" in ended.output) is (outcome == "too few")


def test_images_of_few_lesions_are_too_few_though_they_are_many() -> None:
    document = stored_results.drift()
    low = 40 / (40 + 1.959964**2)  # Wilson's lower end of 40 of 40 lesions, with two images each
    for variant in document["variants"].values():
        for point in variant["operating_points"].values():
            if point["agreement"] is not None:
                point["agreement"] = {"value": 1.0, "low": low, "high": 1.0, "n": 80}
    report = judged({"figure": "drift.*.agreement", "bound": "low", "at_least": 0.95}, document)
    assert {check.outcome for check in report.checks} == {"too few"}
    assert "80 images of 40 lesions or patients are too few whatever they show: 73 of these are needed" in report.checks[0].said


def test_a_share_of_none_of_too_few_images_cannot_be_judged_either() -> None:
    limit = {"figure": "gates.*.false_retakes", "bound": "high", "at_most": 0.1}
    for value, high, images, outcome in ((0.0, 0.3244, 8, "too few"), (0.0, 0.09, 40, "kept"), (0.2, 0.5, 8, "failed")):
        document = stored_results.gates()
        document["false_retakes"] = {"value": value, "low": 0.0, "high": high, "n": images}
        assert judged(limit, document).checks[0].outcome == outcome


def test_a_predictive_value_is_no_share_of_its_images() -> None:
    document = stored_results.decisions()
    for outcomes in document["outcomes"].values():
        outcomes["npv"] = {"value": 0.9913, "low": 0.9794, "high": 0.9966, "n": 100}
    limit = {"figure": "decisions.*.npv", "bound": "low", "at_least": 0.98}
    assert judged(limit, document).checks[0].outcome == "failed"


def test_a_baseline_of_other_data_is_refused() -> None:
    other = stored_results.drift("old")
    other["dataset"]["name"] = "isic2017"
    with pytest.raises(DataError, match="drift of ham10000, the baseline's of isic2017"):
        judged({"figure": "drift.*", "may_fall_by": 1}, stored_results.drift(), baseline=[other])


@pytest.mark.parametrize("damage", ["kind", "deep", "no point", "no reference", "interval"])
def test_damaged_results_are_refused_in_words(damage: str, tmp_path: Path) -> None:
    document = stored_results.drift()
    if damage == "kind":
        document["kind"] = ["drift"]
    elif damage == "no point":
        document["variants"]["int8"]["operating_points"] = {}
    elif damage == "no reference":
        document["reference"] = "float64"
    elif damage == "interval":
        document["variants"]["int8"]["differences"]["auc_malignancy_bootstrap"] |= {"low": 0.5, "high": -0.5}
    path = tmp_path / "drift.json"
    path.write_text("[" * 100_000 if damage == "deep" else json.dumps(document), encoding="utf-8")
    for command in ("gate", "report"):
        ended = runner.invoke(app, [command, str(path)])
        assert isinstance(ended.exception, DataError), ended.exception


def test_an_area_under_a_curve_of_few_images_is_judged_by_its_interval() -> None:
    limit = {"figure": "drift.*.int8.auc_malignancy", "bound": "low", "at_least": 0.999}
    assert judged(limit, stored_results.drift(auc=0.9995)).checks[0].outcome == "failed"


def test_an_open_end_keeps_no_limit() -> None:
    limit = {"figure": "*.set_aside.number_needed_to_refer", "bound": "high", "at_most": 1000}
    found = judged(limit, stored_results.decisions())
    assert not found.ship and "5 [4, open], n=100, high end must be at most 1000" in found.checks[0].said


def test_the_command_says_what_fails_and_how_it_ends(tmp_path: Path) -> None:
    good = [store(tmp_path, f"{kind}.json", make()) for kind, make in MAKERS.items()]
    base = store(tmp_path, "old.json", stored_results.drift("old"))
    result = runner.invoke(app, ["gate", *good, "--baseline", base], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "ship b: " in result.output and "0 failed" in result.output
    assert "not judged: latency.int8.threads_1.inference_p50_ms: not in the baseline" in result.output

    bad = [store(tmp_path, "bad.json", stored_results.drift(difference=-0.02)), str(tmp_path / "decisions.json")]
    result = runner.invoke(app, ["gate", *bad])
    assert result.exit_code == 1 and "do not ship b" in result.output
    failed = [line for line in result.output.splitlines() if line.startswith("failed: ")]
    assert failed == [
        "failed: drift.ham10000.int8.auc_difference: -0.02 [-0.022, -0.018], n=100, low end must be at least -0.005 "
        "(no variant may be inferior to float32 by more than the margin)"
    ]
    document = json.loads(runner.invoke(app, ["gate", *bad, "--json"]).stdout)
    assert GateReport.model_validate(document).ship is False


def test_schemas_are_published() -> None:
    for kind in ("gate", "limits", "report"):
        document = json.loads(runner.invoke(app, ["schema", kind], catch_exceptions=False).stdout)
        assert document["properties"]["schema_version"]["const"] == 1


def test_a_limit_that_is_kept_makes_up_for_no_share_of_too_few_images() -> None:
    document = stored_results.drift()
    shares = {
        "float32": {"value": 1.0, "low": 0.954, "high": 1.0, "n": 80},
        "int8": {"value": 1.0, "low": 0.84, "high": 1.0, "n": 20},
    }
    for name, share in shares.items():
        point = document["variants"][name]["operating_points"]["rule_out"]
        document["variants"][name]["operating_points"] = {"rule_out": {**point, "sensitivity": share}}
    report = judged({"figure": "drift.*.sensitivity", "bound": "low", "at_least": 0.9}, document)
    assert [check.outcome for check in report.checks] == ["kept", "too few"] and not report.ship


def test_a_figure_without_a_low_end_keeps_no_limit_on_it() -> None:
    found = judged({"figure": "drift.*.int8.size_mb", "bound": "low", "at_least": 1000}, stored_results.drift())
    assert failures(found) == ["drift.ham10000.int8.size_mb: 3, low end must be at least 1000"] and not found.ship


@pytest.mark.parametrize(
    ("rule", "value", "ship"),
    [("may_rise_by", 2.5, True), ("may_rise_by", 2.75, False), ("may_fall_by", 1.5, True), ("may_fall_by", 1.25, False)],
)
def test_a_change_as_large_as_allowed_is_allowed(rule: str, value: float, ship: bool) -> None:
    limit = {"figure": "latency.*.inference_p50_ms", rule: 0.5}
    assert judged(limit, stored_results.latency(p50=value), baseline=[stored_results.latency("old", p50=2)]).ship is ship


def test_a_new_default_is_not_excused_by_an_added_variant_whose_name_is_in_its_own() -> None:
    old, new = stored_results.drift("old"), {**stored_results.drift("new"), "default_variant": "static_int4"}
    new["variants"] |= {"int4": new["variants"]["int8"], "static_int4": new["variants"]["int8"]}
    found = judged({"figure": "drift.*.auc_malignancy", "may_fall_by": 0.01}, new, baseline=[old])
    assert failures(found) == ["drift.ham10000.static_int4.auc_malignancy: not in the baseline"]
    assert [check.figure for check in found.checks if check.outcome == "not judged"] == ["drift.ham10000.int4.auc_malignancy"]
