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
from benchmarks.stored import REPORTS, Result, read_result
from mobile_runtime.errors import DataError
from tests.benchmarks import stored_results
from tests.benchmarks.stored_results import MAKERS

runner = CliRunner()
RESULTS = Path(release_gate.__file__).parent / "results"
JUDGED_OUTCOMES = ("risk_against_chance", "unanswered_per_1000")


def result(document: dict[str, Any]) -> Result:
    return REPORTS[document["kind"]].model_validate(document)


def judged(limit: dict[str, Any], *results: dict[str, Any], baseline: list[dict[str, Any]] | None = None) -> GateReport:
    limits = Limits.model_validate({"schema_version": 1, "limits": [limit]})
    return release_gate.judge([result(each) for each in results], limits, [result(each) for each in baseline or []])


def store(folder: Path, name: str, document: dict[str, Any]) -> str:
    (folder / name).write_text(json.dumps(document), encoding="utf-8")
    return str(folder / name)


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


def test_a_model_without_skill_does_not_ship() -> None:
    document = stored_results.drift()
    for variant in document["variants"].values():
        variant["auc_malignancy"] = stored_results.estimate(0.51)
        for decisions in variant["operating_points"].values():
            decisions["sensitivity"] = stored_results.estimate(0.46)
    found = release_gate.judge([result(document)], read_limits())
    assert {check.figure for check in found.checks if check.outcome == "failed"} == {
        f"drift.ham10000.{name}.{figure}"
        for name in ("float32", "int8")
        for figure in ("auc_malignancy", "sensitivity_at_rule_out")
    }
    assert release_gate.judge([result(stored_results.drift())], read_limits()).ship


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


def failures(report: GateReport) -> list[str]:
    return [check.said for check in report.checks if check.outcome == "failed"]


def test_a_build_that_gives_no_verdict_does_not_ship() -> None:
    """As measured with every limit of abstention at 1e-6: 180 of 180 images without a verdict."""
    decisions, gates = stored_results.decisions(), stored_results.gates()
    outcomes = decisions["outcomes"]["set_aside"]
    outcomes |= {"npv": None, "number_needed_to_refer": None}
    outcomes["unanswered_per_1000"] = {"value": 1000.0, "low": 973.3, "high": 1000.0, "n": 180}
    gates["abstained_in_distribution"] = {"value": 0.991, "low": 0.97, "high": 0.998, "n": 180}
    found = release_gate.judge([result(each) for each in (stored_results.drift(), decisions, gates)], read_limits())
    assert not found.ship
    assert failures(found) == [
        "decisions.ham10000.int8.set_aside.risk_against_chance: nobody was reassured, so low concern has no risk to judge and "
        "the build no use",
        "decisions.ham10000.int8.set_aside.unanswered_per_1000: 1000 [973.3, 1000], n=180, high end must be at most 100 "
        "(who gets no verdict was not triaged, and a build that judges nobody makes no mistakes)",
        "gates.ham10000.int8.abstained: 0.991 [0.97, 0.998], n=180, high end must be at most 0.1 "
        "(good pictures of skin lesions must get a verdict)",
    ]


def test_a_build_that_refers_everybody_does_not_ship() -> None:
    document = stored_results.decisions()
    document["outcomes"]["set_aside"]["npv"] = None
    limit = {"figure": "decisions.*.set_aside.risk_against_chance", "bound": "high", "at_most": 0.4, "required": False}
    found = judged(limit, document)
    assert not found.ship and "nobody was reassured" in failures(found)[0]
    # Of malignant images alone, or benign ones, no outcome is defined: nothing was measured that speaks against the build.
    assert judged(limit, {**document, "outcomes": None}).ship


def test_the_stored_results_ship() -> None:
    names = ("drift_ham10000", "decisions_ham10000", "robustness_ham10000")
    gates = ("gates_ham10000", "gates_isic2017", "gates_pad_ufes_20")
    found = release_gate.judge([read_result(RESULTS / f"{name}.json") for name in (*names, *gates)], read_limits())
    assert found.ship, failures(found)
    kept = {check.figure for check in found.checks if check.outcome == "kept"}
    assert {f"gates.{place}.static_wi8_ai8.abstained" for place in ("ham10000", "isic2017", "pad_ufes_20")} < kept
    assert {f"decisions.ham10000.static_wi8_ai8.set_aside.{name}" for name in JUDGED_OUTCOMES} < kept


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
    assert alone.ship and alone.checks[0].outcome == "not judged" and "no baseline" in alone.checks[0].said


def test_a_required_figure_that_is_missing_fails() -> None:
    limit = {"figure": "gates.*.false_retakes", "at_most": 0.1}
    assert not judged(limit, stored_results.drift()).ship
    passed = judged({**limit, "required": False}, stored_results.drift())
    assert passed.ship and passed.checks[0].outcome == "not judged"
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
    assert "80 images of 40 lesions or patients are too few whatever they show: 73 are needed" in report.checks[0].said


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


def test_what_was_not_measured_does_not_ship() -> None:
    limit = {"figure": "drift.*.auc_malignancy", "at_least": 0.5}
    without = stored_results.drift()
    left_out = without["variants"].pop("int8")
    assert judged(limit, without).ship
    gone = judged({"figure": "drift.*.auc_malignancy", "may_fall_by": 0.1}, without, baseline=[stored_results.drift("old")])
    assert not gone.ship
    assert gone.checks[0].said == "drift.ham10000.int8.auc_malignancy: in the baseline, but not in the results"
    without |= {"default_variant": "int8", "not_run": {"int8": "no runtime for it"}}
    unmeasured = judged(limit, without)
    assert not unmeasured.ship
    assert unmeasured.checks[-1].said == "int8, the default, not measured: no runtime for it"
    without["variants"]["int8"] = left_out
    assert judged(limit, without).ship


def test_a_difference_on_too_few_images_of_a_kind_is_not_judged() -> None:
    few = stored_results.drift()
    few["variants"]["int8"]["verdict"]["outcome"] = "undetermined"
    for gap in few["variants"]["int8"]["differences"]["auc_malignancy_bootstrap"], None:
        few["variants"]["int8"]["differences"]["auc_malignancy_bootstrap"] = gap
        found = judged({"figure": "drift.*.auc_difference", "bound": "low", "at_least": -0.005}, few)
        assert not found.ship
        assert [check.outcome for check in found.checks] == ["too few"]


def test_an_open_end_keeps_no_limit() -> None:
    limit = {"figure": "*.set_aside.number_needed_to_refer", "bound": "high", "at_most": 1000}
    found = judged(limit, stored_results.decisions())
    assert not found.ship and "5 [4, open], n=100, high end must be at most 1000" in found.checks[0].said


def test_what_is_not_alike_is_not_compared() -> None:
    limit = {"figure": "drift.*", "may_fall_by": 1}
    other = stored_results.drift("old")
    other["dataset"]["images_sha256"] = "d" * 64
    with pytest.raises(DataError, match="drift on different images of ham10000"):
        judged(limit, stored_results.drift(), baseline=[other])
    other["dataset"]["images_sha256"] = None
    with pytest.raises(DataError, match="fingerprint"):
        judged(limit, stored_results.drift(), baseline=[other])
    lenient = stored_results.drift("old")
    lenient["operating_point"] = "balanced"
    lenient["variants"] = {
        name: {**drift, "operating_points": {"balanced": drift["operating_points"]["rule_out"]}}
        for name, drift in lenient["variants"].items()
    }
    with pytest.raises(DataError, match="operating_point rule_out, the baseline at balanced"):
        judged(limit, stored_results.drift(), baseline=[lenient])
    rare = {**stored_results.decisions("old"), "prevalence": 0.5}
    with pytest.raises(DataError, match=r"prevalence .*, the baseline at 0\.5"):
        judged(limit, stored_results.decisions(), baseline=[rare])
    elsewhere = stored_results.latency("old")
    elsewhere["environment"] = {**elsewhere["environment"], "fingerprint": "f" * 16}
    with pytest.raises(DataError, match="different machines"):
        judged(limit, stored_results.latency(), baseline=[elsewhere])
    moved = {**stored_results.peers("old"), "environment": elsewhere["environment"]}
    with pytest.raises(DataError, match="peers of different machines"):
        judged(limit, stored_results.peers(), baseline=[moved])
    with pytest.raises(DataError, match="different bundles: a, b"):
        judged(limit, stored_results.drift("a"), stored_results.latency("b"))
    with pytest.raises(DataError, match="more than one result of drift ham10000"):
        judged(limit, stored_results.drift(), stored_results.drift())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("limits: [", "not YAML"),
        ("schema_version: 1\nlimits: []", "limits: List should have at least 1 item"),
        ("schema_version: 2\nlimits: [{figure: a, at_most: 1}]", "schema_version"),
        ("schema_version: 1\nlimits: [{figure: a}]", "give exactly one of at_least"),
        ("schema_version: 1\nlimits: [{figure: a, at_most: 1, at_least: 0}]", "not at_least, at_most"),
        ("schema_version: 1\nlimits: [{figure: a, may_fall_by: 1, bound: low}]", "leave out bound: low"),
        ("schema_version: 1\nlimits: [{figure: a, at_most: .nan}]", "finite"),
        ("schema_version: 1\nlimits: [{figure: a, atmost: 1}]", "limits.0.atmost"),
    ],
)
def test_a_malformed_limits_file_is_refused(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_limits(file)
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1
    with pytest.raises(DataError, match="cannot be read"):
        read_limits(tmp_path / "none.yaml")


def test_images_that_could_not_be_read_do_not_ship() -> None:
    document = stored_results.drift()
    document["dataset"]["unreadable"] = [{"image": "a", "reason": "truncated"}]
    found = judged({"figure": "drift.*.auc_difference", "at_least": -1}, document)
    assert not found.ship
    assert found.checks[-1].said.startswith("drift.ham10000: 1 images could not be read, first a")


@pytest.mark.parametrize("make", [stored_results.decisions, stored_results.robustness, stored_results.gates])
@pytest.mark.parametrize(
    ("change", "said"), [({"variant": "float32"}, "float32 at rule_out"), ({"operating_point": "rule_in"}, "int8 at rule_in")]
)
def test_results_of_what_users_do_not_run_do_not_ship(make: Any, change: dict[str, str], said: str) -> None:
    drift = {**stored_results.drift(), "default_variant": "int8"}
    limit = {"figure": "drift.*.auc_difference", "at_least": -1}
    assert judged(limit, drift, make()).ship
    other = judged(limit, drift, {**make(), **change})
    assert not other.ship
    assert other.checks[-1].said.endswith(f": of {said}; measure int8, the default, at rule_out")
    if "variant" in change:  # beside the default, another variant's result does no harm
        assert judged(limit, drift, make(), {**make(), **change}).ship


def test_results_that_are_all_of_another_operating_point_do_not_ship() -> None:
    limit = {"figure": "drift.*.auc_difference", "at_least": -1}
    makers = (stored_results.decisions, stored_results.robustness, stored_results.gates)
    alike = [{**make(), "operating_point": "rule_in"} for make in makers]
    drift = {**stored_results.drift(), "default_variant": "int8", "operating_point": "rule_in"}
    drift["variants"] = {
        name: {**each, "operating_points": {"rule_in": each["operating_points"]["rule_out"]}}
        for name, each in drift["variants"].items()
    }
    # Results from before it was stored do not say what the default is.
    assert judged(limit, drift, *alike).ship
    found = judged(limit, {**drift, "default_operating_point": "rule_out"}, *alike)
    assert [check.said for check in found.checks if check.outcome == "failed"] == [
        "drift.ham10000: at rule_in, but rule_out is the default; leave out --operating-point",
        *(
            f"{kind}.ham10000: of int8 at rule_in; measure int8, the default, at rule_out"
            for kind in ("decisions", "robustness", "gates")
        ),
    ]
    assert judged(limit, {**drift, "default_operating_point": "rule_in"}, *alike).ship


def test_images_that_were_missing_do_not_ship() -> None:
    document = stored_results.decisions()
    document["dataset"]["missing"] = ["a", "b"]
    found = judged({"figure": "decisions.*.npv", "at_least": 0}, document)
    assert not found.ship
    assert found.checks[-1].said.startswith("decisions.ham10000: 2 label rows have no image, first a")


def test_a_build_is_no_baseline_of_its_own() -> None:
    limit = {"figure": "drift.*.int8.auc_malignancy", "may_fall_by": 0.01}
    with pytest.raises(DataError, match="the baseline is of the same bundle"):
        judged(limit, stored_results.drift("new"), baseline=[stored_results.drift("new")])


def test_the_command_says_what_fails_and_how_it_ends(tmp_path: Path) -> None:
    good = [store(tmp_path, f"{kind}.json", make()) for kind, make in MAKERS.items()]
    base = store(tmp_path, "old.json", stored_results.drift("old"))
    result = runner.invoke(app, ["gate", *good, "--baseline", base], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "ship b: " in result.output and "0 failed" in result.output
    assert "not judged: latency.int8.threads_1.inference_p50_ms: not in the baseline" in result.output

    bad = store(tmp_path, "bad.json", stored_results.drift(difference=-0.02))
    result = runner.invoke(app, ["gate", bad])
    assert result.exit_code == 1 and "do not ship b" in result.output
    failed = [line for line in result.output.splitlines() if line.startswith("failed: ")]
    assert failed == [
        "failed: drift.ham10000.int8.auc_difference: -0.02 [-0.022, -0.018], n=100, low end must be at least -0.005 "
        "(no variant may be inferior to float32 by more than the margin)"
    ]
    document = json.loads(runner.invoke(app, ["gate", bad, "--json"]).stdout)
    assert GateReport.model_validate(document).ship is False


def test_schemas_are_published() -> None:
    for kind in ("gate", "limits", "report"):
        document = json.loads(runner.invoke(app, ["schema", kind], catch_exceptions=False).stdout)
        assert document["properties"]["schema_version"]["const"] == 1
