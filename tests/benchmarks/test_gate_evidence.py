"""What results show: builds that give no verdict, results of what users do not run, images left out."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import release_gate
from benchmarks.drift_results import LEFT_OUT
from benchmarks.gate_limits import read_limits
from mobile_runtime.errors import DataError
from tests.benchmarks import stored_results
from tests.benchmarks.judging import failures, judged, result


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


def test_what_no_verdict_was_measured_of_does_not_ship() -> None:
    """Variants that all abstain agree, and rank lesions as before."""
    drift, old = stored_results.drift(), stored_results.drift("old")
    figures = ("set_aside.risk_against_chance", "set_aside.unanswered_per_1000", "malignant_unanswered")
    said = [f"decisions.*.{name}: not in any of the results; `python -m benchmarks decisions` measures it" for name in figures]
    for baseline in [], [result(old)]:
        found = release_gate.judge([result(drift)], read_limits(), baseline)
        assert not found.ship and failures(found) == said
    alone = release_gate.judge([result(stored_results.gates()), result(stored_results.robustness())], read_limits())
    assert not alone.ship and set(said) < set(failures(alone))


def test_every_figure_of_the_baseline_that_has_a_limit_is_measured_again() -> None:
    baseline = [result(make("old")) for make in (stored_results.decisions, stored_results.gates, stored_results.robustness)]
    measured = [result(stored_results.drift()), result(stored_results.decisions())]
    found = release_gate.judge(measured, read_limits(), [result(stored_results.drift("old")), *baseline])
    gone = "in the baseline, but not in the results"
    names = ("false_retakes", "abstained", "not_skin_not_scored", "no_lesion.5.turned_away")
    assert sorted(failures(found)) == sorted(
        [
            f"robustness.ham10000.int8.bgr.caught_by_golden: {gone}",
            f"robustness.ham10000.int8.blur.1.flips: {gone}",
            *(f"gates.ham10000.int8.{name}: {gone}" for name in names),
        ]
    )
    limit = {"figure": "gates.*.abstained", "at_most": 0.1, "required": False}
    alone = judged(limit, stored_results.drift(), baseline=[stored_results.gates("old")])
    assert failures(alone) == [f"gates.ham10000.int8.abstained: {gone}"]


@pytest.mark.parametrize("stated", [True, False])
def test_a_build_that_hardly_judges_a_malignant_lesion_does_not_ship(stated: bool) -> None:
    """Of 271 malignant lesions 205 without a verdict, 64 referred: few of 1,000 patients, so that no other limit sees it."""
    decisions = stored_results.decisions()
    decisions["verdicts"] = {"malignant": {"abstain": 200, "retake": 5, "refer": 64, "low_concern": 2}}
    share = {"value": 205 / 271, "low": 0.702, "high": 0.804, "n": 271}
    decisions["malignant_unanswered"] = share if stated else None
    found = release_gate.judge([result(stored_results.drift()), result(decisions)], read_limits())
    assert not found.ship
    assert [line.split(" [")[0] for line in failures(found)] == ["decisions.ham10000.int8.malignant_unanswered: 0.7565"]
    note = "malignant_unanswered of decisions.ham10000 is counted by images, not lesions: measure again"
    assert (note in found.notes) is not stated
    decisions["verdicts"] = {"malignant": {"abstain": 0, "retake": 1, "refer": 260, "low_concern": 10}}
    decisions["malignant_unanswered"] = {"value": 1 / 271, "low": 0.001, "high": 0.021, "n": 271} if stated else None
    assert release_gate.judge([result(stored_results.drift()), result(decisions)], read_limits()).ship


def test_a_build_that_refers_everybody_does_not_ship() -> None:
    document = stored_results.decisions()
    document["outcomes"]["set_aside"]["npv"] = None
    limit = {"figure": "decisions.*.set_aside.risk_against_chance", "bound": "high", "at_most": 0.4, "required": False}
    found = judged(limit, document)
    assert not found.ship and "nobody was reassured" in failures(found)[0]
    # Of malignant images alone, or benign ones, no outcome is defined: nothing was measured, for the build or against it.
    undefined = judged(limit, {**document, "outcomes": None})
    assert not undefined.ship and {check.outcome for check in undefined.checks} == {"not judged"}


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
    without["not_run"] = {"dynamic": LEFT_OUT, "coreml": "not run on this machine: it is no Mac"}
    skipped = judged(limit, without)
    assert not skipped.ship and "drift.ham10000.dynamic: left out by --variants" in failures(skipped)[0]
    assert len(failures(skipped)) == 1 and "coreml: did not run" in skipped.notes[-1]


def test_a_difference_on_too_few_images_of_a_kind_is_not_judged() -> None:
    few = stored_results.drift()
    few["variants"]["int8"]["verdict"]["outcome"] = "undetermined"
    for gap in few["variants"]["int8"]["differences"]["auc_malignancy_bootstrap"], None:
        few["variants"]["int8"]["differences"]["auc_malignancy_bootstrap"] = gap
        found = judged({"figure": "drift.*.auc_difference", "bound": "low", "at_least": -0.005}, few)
        assert not found.ship
        assert [check.outcome for check in found.checks] == ["too few"]


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
    by_default = {**stored_results.decisions("old"), "default_operating_point": "rule_out"}
    changed = {**stored_results.decisions(), "operating_point": "balanced", "default_operating_point": "balanced"}
    with pytest.raises(DataError, match="verdicts are given at balanced by default, of the baseline at rule_out"):
        judged(limit, changed, baseline=[by_default])
    rare = {**stored_results.decisions("old"), "prevalence": 0.5}
    with pytest.raises(DataError, match=r"prevalence .*, the baseline at 0\.5"):
        judged(limit, stored_results.decisions(), baseline=[rare])
    milder = stored_results.robustness("old")
    milder["corruptions"] = {"blur": {**milder["corruptions"]["blur"], "strengths": [1, 2, 3, 4, 4.5]}}
    with pytest.raises(DataError, match="the baseline's blur is another damage"):
        judged(limit, stored_results.robustness(), baseline=[milder])
    elsewhere = stored_results.latency("old")
    elsewhere["environment"] = {**elsewhere["environment"], "fingerprint": "f" * 16}
    with pytest.raises(DataError, match="different machines"):
        judged(limit, stored_results.latency(), baseline=[elsewhere])
    moved = {**stored_results.peers("old"), "environment": elsewhere["environment"]}
    with pytest.raises(DataError, match="peers of different machines"):
        judged(limit, stored_results.peers(), baseline=[moved])
    with pytest.raises(DataError, match="ham10000 with 90 lesions or patients, the baseline with 80"):
        judged(limit, stored_results.drift(), baseline=[on_images(stored_results.drift("old"), groups=80)])
    with pytest.raises(DataError, match="baselines of different bundles: old, older"):
        judged(limit, stored_results.drift(), baseline=[stored_results.drift("old"), stored_results.decisions("older")])
    with pytest.raises(DataError, match="different bundles: a, b"):
        judged(limit, stored_results.drift("a"), stored_results.latency("b"))
    with pytest.raises(DataError, match="more than one result of drift ham10000"):
        judged(limit, stored_results.drift(), stored_results.drift())


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
    alike = [{**make(), **stored_results.UNSTATED, "operating_point": "rule_in"} for make in makers]
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


def test_without_drift_results_must_be_of_one_variant_and_of_the_default_that_they_state() -> None:
    limit = {"figure": "*", "at_least": -1, "required": False}
    decisions, gates = ({**make(), **stored_results.UNSTATED} for make in (stored_results.decisions, stored_results.gates))
    alike = judged(limit, decisions, gates)
    assert alike.ship
    assert alike.notes[-1] == "no result says which variant is the default: whether users run int8 at rule_out was not judged"
    for change, said in (({"variant": "float32"}, "float32 at rule_out"), ({"operating_point": "rule_in"}, "int8 at rule_in")):
        assert failures(judged(limit, decisions, {**gates, **change})) == [
            f"decisions.ham10000 of int8 at rule_out; gates.ham10000 of {said}: not of one variant and operating point; "
            "measure all of the default"
        ]
        stated = [
            {**each, **change, "default_variant": "int8", "default_operating_point": "rule_out"} for each in (decisions, gates)
        ]
        found = judged(limit, *stated)
        assert failures(found) == [
            f"{kind}.ham10000: of {said}; measure int8, the default, at rule_out" for kind in ("decisions", "gates")
        ]
        assert not any("the default" in note for note in found.notes)


def on_images(document: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {**document, "dataset": {**document["dataset"], **facts}}


def test_results_on_other_images_of_one_data_set_do_not_ship() -> None:
    limit = {"figure": "*", "at_least": -1, "required": False}
    drift = stored_results.drift()
    few = {"images": 20, "images_sha256": "d" * 64}
    other_table = {**few, "labels_sha256": "e" * 64}
    for make in (stored_results.decisions, stored_results.robustness, stored_results.gates):
        found = judged(limit, drift, on_images(make(), **other_table))
        assert failures(found) == [
            f"{make()['kind']}.ham10000: on 20 images, drift on 100 others or with other labels; "
            "measure both on the same images and labels"
        ]
        if make is not stored_results.decisions:
            assert judged(limit, drift, on_images(make(), name="isic2017", **other_table)).ship, "another data set"
    # These draw from the table that they are given.
    assert judged(limit, drift, *(on_images(make(), **few) for make in (stored_results.robustness, stored_results.gates))).ship
    assert not judged(limit, drift, on_images(stored_results.decisions(), **few)).ship
    assert not judged(limit, drift, on_images(stored_results.gates(), images_sha256="d" * 64)).ship, "as many are no draw"
    for make in (stored_results.robustness, stored_results.gates):
        assert judged(limit, drift, on_images(make(), **few, drawn_from_sha256="c" * 64)).ship
        others = judged(limit, drift, on_images(make(), **few, drawn_from_sha256="f" * 64))
        assert failures(others)[0].startswith(f"{make()['kind']}.ham10000: on 20 images, drift on 100 others"), (
            "one table, other files"
        )
    # Before images had a fingerprint, tables had one.
    assert judged(limit, drift, on_images(stored_results.decisions(), images_sha256=None)).ship
    assert not judged(limit, drift, on_images(stored_results.decisions(), **{**few, "images_sha256": None})).ship


def test_images_that_were_missing_do_not_ship() -> None:
    document = stored_results.decisions()
    document["dataset"]["missing"] = ["a", "b"]
    found = judged({"figure": "decisions.*.npv", "at_least": 0}, document)
    assert not found.ship
    assert found.checks[-1].said.startswith("decisions.ham10000: 2 label rows have no image, first a")


@pytest.mark.parametrize(
    "make", [stored_results.drift, stored_results.decisions, stored_results.robustness, stored_results.gates]
)
def test_images_that_made_the_build_do_not_ship(make: Any) -> None:
    limit = {"figure": "*", "at_least": -1, "required": False}
    document = make()
    assert judged(limit, document).ship
    document["dataset"]["calibration"] = ["a", "b"]
    assert failures(judged(limit, document)) == [
        f"{document['kind']}.ham10000: 2 images calibrated this build, first a; take their rows out"
    ]
    document["dataset"]["seen"] = ["a", "b", "c"]
    assert failures(judged(limit, document)) == [
        f"{document['kind']}.ham10000: 3 images have the names of those that made this build, first a; take their rows out"
    ]


def test_a_build_is_no_baseline_of_its_own() -> None:
    limit = {"figure": "drift.*.int8.auc_malignancy", "may_fall_by": 0.01}
    with pytest.raises(DataError, match="the baseline is of the same bundle"):
        judged(limit, stored_results.drift("new"), baseline=[stored_results.drift("new")])


def test_agreement_of_scores_alone_is_said_to_be_so() -> None:
    limit = {"figure": "drift.*.agreement", "bound": "low", "at_least": 0.95}
    document = stored_results.drift()
    assert not any("measure again" in note for note in judged(limit, document).notes)
    for point in document["variants"]["int8"]["operating_points"].values():
        del point["abstain_lost"], point["abstain_gained"]
    found = judged(limit, document)
    assert found.ship
    assert found.notes[-1] == ("agreement of drift.ham10000 is of scores alone, from before abstentions counted: measure again")


def test_scores_and_verdicts_must_be_of_one_data_set() -> None:
    limit = {"figure": "*", "at_least": -1, "required": False}
    elsewhere = on_images(stored_results.decisions(), name="isic2017")
    assert failures(judged(limit, stored_results.drift(), elsewhere)) == [
        "decisions.isic2017: drift is of ham10000; measure both on the same images"
    ]
    assert judged(limit, stored_results.drift(), elsewhere, stored_results.decisions()).ship


def test_the_same_images_are_of_the_same_lesions() -> None:
    limit = {"figure": "*", "at_least": -1, "required": False}
    found = judged(limit, stored_results.drift(), on_images(stored_results.decisions(), groups=100))
    assert failures(found) == [
        "decisions.ham10000: of 100 lesions or patients, drift of 90; measure both by one --group-column"
    ]


def test_what_was_not_asked_or_not_run_is_noted() -> None:
    limit = {"figure": "*", "at_least": -1, "required": False}
    document = on_images(stored_results.drift(), seen=[])
    assert not [note for note in judged(limit, document).notes if "not known" in note or "did not run" in note]
    document = on_images({**document, "not_run": {"float16_coreml": "needs a Mac"}}, seen=None)
    found = judged(limit, document)
    assert found.ship
    assert found.notes[-2:] == [
        "drift.ham10000: whether images made this build is not known, its manifest or an older command does not say",
        "float16_coreml: did not run where drift.ham10000 was measured, so nothing is known of them",
    ]
