"""Judging: figures by hand on a few images, tasks that are absent, readers, subgroups, and the page."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_runtime.statistics import auc
from mobile_runtime.taxonomy import HAM10000_CLASSES, default_taxonomy
from tests.conftest import TrainedRun
from tests.train.factories import call, example, write
from train.datasets import Example, read_examples
from train.evaluation import evaluate, height, roc_points
from train.evaluation_page import render
from train.evaluation_results import Evaluation, Point
from train.splits import load_split, save_split
from train.subgroups import age_band

LABELS = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


def judged(
    rows: Sequence[tuple[Example, dict[str, float]]],
    readers: dict[str, list[Point]] | None = None,
    floor: int = 4,
) -> Evaluation:
    """Evaluate examples with the probabilities given by HAM10000 label; the rest is spread over the other classes."""
    probabilities = np.zeros((len(rows), 7), np.float32)
    for row, (_, given_p) in zip(probabilities, rows, strict=True):
        rest = (1 - sum(given_p.values())) / (7 - len(given_p))
        row[:] = [given_p.get(label, rest) for label in LABELS]
    examples = [e for e, _ in rows]
    settings = {"run": "r", "part": "test", "readers": readers, "subgroup_floor": floor}
    return evaluate(probabilities, examples, HAM10000_CLASSES, default_taxonomy(), **settings)


def test_a_level_of_which_the_model_has_no_two_classes_has_no_accuracy() -> None:
    examples = [example(0, "mel"), example(1, "nv"), example(2, "bcc")]
    probabilities = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]], np.float32)
    report = evaluate(probabilities, examples, ("benign", "malignant"), default_taxonomy(), run="r", part="test")
    assert report.levels["three_way"].balanced_accuracy is not None
    assert report.levels["nine_way"].balanced_accuracy is None
    assert report.levels["nine_way"].accuracy is None


def test_accuracies_through_the_tree_by_hand() -> None:
    report = judged(
        [
            (example(0, "mel"), {"mel": 0.4, "bcc": 0.3, "nv": 0.3}),  # right on every level
            (example(1, "mel"), {"nv": 0.4, "mel": 0.3, "bcc": 0.3}),  # wrong, but malignant by the sum: right three-way
            (example(2, "bcc"), {"akiec": 0.6, "bcc": 0.4}),  # the wrong class of the right group
            (example(3, "nv"), {"nv": 0.9}),
            (example(4, "nv"), {"df": 0.9}),  # benign, of another group
            (example(5, "bkl"), {"mel": 0.9}),  # wrong everywhere
        ]
    )
    three, nine, classes = (report.levels[name] for name in ("three_way", "nine_way", "classes"))
    # benign 2 of 3, malignant 3 of 3
    assert three.balanced_accuracy is not None
    assert three.balanced_accuracy.value == pytest.approx((2 / 3 + 1) / 2)
    assert three.nodes == ["benign", "malignant", "non_neoplastic"]
    assert three.confusion == [[2, 1, 0], [0, 3, 0], [0, 0, 0]]
    assert three.absent_in_data == three.absent_in_model == ["non_neoplastic"]
    # epidermal malignant 1 of 1, melanocytic malignant 1 of 2, melanocytic benign 1 of 2, epidermal benign 0 of 1
    assert nine.balanced_accuracy is not None
    assert nine.balanced_accuracy.value == pytest.approx((1 + 0.5 + 0.5 + 0) / 4)
    assert len(nine.nodes) == 9
    assert "inflammatory" in nine.absent_in_model
    # bcc 0 of 1, bkl 0 of 1, mel 1 of 2, nv 1 of 2
    assert classes.balanced_accuracy is not None
    assert classes.balanced_accuracy.value == pytest.approx(0.25)
    assert classes.accuracy is not None
    assert classes.accuracy.value == pytest.approx(2 / 6)


def test_further_images_of_a_lesion_make_no_accuracy_surer() -> None:
    answers = [(("mel", "nv")[i % 2], "mel" if i < 14 else "nv") for i in range(20)]
    rows = [(example(i, label, f"L{i}"), {answer: 0.9}) for i, (label, answer) in enumerate(answers)]
    once, thrice = (judged(rows * copies).levels["classes"].accuracy for copies in (1, 3))
    assert once is not None and thrice is not None
    assert (once.n, thrice.n) == (20, 60)
    assert (thrice.value, thrice.low, thrice.high) == pytest.approx((once.value, once.low, once.high))


def test_labels_that_leave_the_class_open_are_left_out() -> None:
    rows = [(example(0, "0", dataset="isic2017"), {"nv": 0.8}), (example(1, "1", dataset="isic2017"), {"mel": 0.8})]
    report = judged(rows)
    assert (report.levels["three_way"].images, report.levels["three_way"].left_out) == (2, 0)
    assert (report.levels["nine_way"].images, report.levels["nine_way"].left_out) == (1, 1)
    assert report.levels["nine_way"].balanced_accuracy is None, "one class is no task"


def test_diseases_that_the_model_has_no_class_for_count_where_the_tree_has_them() -> None:
    rows = [(example(0, "psoriasis", dataset="fitzpatrick17k"), {"nv": 0.9}), (example(1, "mel"), {"mel": 0.9})]
    report = judged(rows)
    three = report.levels["three_way"]
    assert three.absent_in_data == ["benign"]
    assert three.absent_in_model == ["non_neoplastic"]
    assert three.confusion == [[0, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert report.levels["classes"].left_out == 1


def test_tasks_whose_classes_are_absent_say_so() -> None:
    report = judged([(example(0, "mel"), {"mel": 0.9}), (example(1, "nv"), {"nv": 0.9}), (example(2, "bcc"), {"bcc": 0.9})])
    carcinoma, photographs, dermoscopy = (report.tasks[name] for name in ("carcinoma", "melanoma", "dermoscopy"))
    assert carcinoma.absent == "no Seborrheic keratosis"
    assert (carcinoma.positives, carcinoma.negatives, carcinoma.auc, carcinoma.curve) == (1, 0, None, [])
    assert photographs.absent == "no Melanoma nor Melanocytic nevus among the photographs"
    assert dermoscopy.absent is None
    assert dermoscopy.auc is not None
    assert dermoscopy.auc.value == 1
    page = render(report, default_taxonomy())
    assert "absent: no Seborrheic keratosis" in page


def test_the_binary_tasks_use_the_malignancy_and_one_kind_of_picture() -> None:
    rows = [
        (example(0, "SCC", dataset="pad_ufes_20"), {"akiec": 0.5, "bcc": 0.3}),
        (example(1, "BCC", dataset="pad_ufes_20"), {"bcc": 0.4, "nv": 0.5}),
        (example(2, "SEK", dataset="pad_ufes_20"), {"bkl": 0.4, "mel": 0.6}),
        (example(3, "SEK", dataset="pad_ufes_20"), {"bkl": 0.9}),
        (example(4, "mel"), {"mel": 0.9}),
        (example(5, "NEV", dataset="pad_ufes_20"), {"nv": 0.9}),
    ]
    report = judged(rows)
    # Malignancies .8+, .4+ against .6, below .1: three of the four pairs are in order.
    assert report.tasks["carcinoma"].auc is not None
    assert report.tasks["carcinoma"].auc.value == pytest.approx(0.75)
    assert report.tasks["melanoma"].absent == "no Melanoma among the photographs"
    assert report.tasks["dermoscopy"].absent == "no Melanocytic nevus among the dermoscopy images"


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=30).filter(
        lambda rows: 0 < sum(t for t, _ in rows) < len(rows)
    )
)
def test_the_curve_has_a_point_for_each_score_and_holds_the_auc(rows: list[tuple[bool, int]]) -> None:
    truth = np.array([t for t, _ in rows])
    scores = np.array([s / 6 for _, s in rows], np.float32)
    curve = roc_points(truth, scores)
    cuts = [np.inf, *sorted(set(scores), reverse=True)]
    assert curve == [pytest.approx(((scores >= cut)[~truth].mean(), (scores >= cut)[truth].mean())) for cut in cuts]
    measure = auc(truth, scores)
    assert measure is not None
    xs, ys = np.array(curve).T
    assert float(((ys[1:] + ys[:-1]) / 2 * np.diff(xs)).sum()) == pytest.approx(measure.value)
    for x, y in curve:
        assert height(curve, x) >= y - 1e-12


def test_readers_lie_under_the_curve_or_not() -> None:
    curve: list[Point] = [(0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1)]
    assert [height(curve, x) for x in (0, 0.25, 0.5, 0.75, 1)] == [0.5, 0.5, 1, 1, 1]
    assert height([(0, 0), (1, 1)], 0.25) == 0.25
    rows = [(example(i, "mel"), {"mel": 0.9 - 0.1 * i}) for i in range(4)]
    rows += [(example(9 + i, "nv"), {"mel": 0.85 - 0.2 * i}) for i in range(4)]
    readers = judged(rows, {"dermoscopy": [(0.0, 0.1), (0.0, 0.9), (0.6, 0.7)]}).tasks["dermoscopy"].readers
    assert readers is not None
    assert readers.under_curve is not None
    assert readers.under_curve.value == pytest.approx(2 / 3)


def test_subgroups_need_enough_images_of_both_kinds() -> None:
    rows = []
    for i in range(16):
        label = "mel" if i % 2 else "nv"
        attributes = {"sex": "male" if i < 12 else "female", "age": str(20 + 4 * i), "localization": "back" if i else "unknown"}
        rows.append((dataclasses.replace(example(i, label), attributes=attributes), {"mel": 0.9 if i % 2 else 0.1}))
    report = judged(rows, floor=8)
    found = {(group.attribute, group.value): group for group in report.subgroups}
    assert found["sex", "male"].auc is not None
    assert found["sex", "male"].images == 12
    assert found["sex", "female"].auc is None
    assert found["sex", "female"].remark == "under 8 images, or under 2 malignant or benign ones"
    assert ("site", "unknown") not in found
    assert found["acquisition", "dermoscopy"].images == 16
    assert {value for attribute, value in found if attribute == "age"} == {"0-29", "30-44", "45-59", "60-74", "75+"}


@pytest.mark.parametrize(
    ("years", "band"), [("0", "0-29"), ("29.9", "0-29"), ("30", "30-44"), ("75.0", "75+"), ("-1", ""), ("", ""), ("nan", "")]
)
def test_age_bands(years: str, band: str) -> None:
    assert age_band(years) == band


def test_calibration_by_hand() -> None:
    rows = [(example(i, "mel" if i < 3 else "nv"), {"mel": 0.7, "bcc": 0.0, "akiec": 0.0}) for i in range(4)]
    report = judged(rows)
    (only,) = report.calibration.bins
    assert (only.n, only.observed) == (4, 0.75)
    assert only.predicted == pytest.approx(0.7, abs=1e-6)
    assert report.calibration.ece == pytest.approx(0.05, abs=1e-6)


def test_a_run_is_judged_into_a_page_and_json(tiny_run: TrainedRun, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    people = write(tmp_path / "people.csv", "sensitivity,specificity", "0.9,0.1", "0.5,0.5")
    words = (
        "evaluate",
        tiny_run.folder,
        "--data",
        tiny_run.data,
        "--out",
        tmp_path / "report",
        "--readers",
        f"dermoscopy={people}",
    )
    status, out, err = call(capfd, *words, "--json")
    assert status == 0, err
    document = json.loads(out)
    assert document == json.loads((tmp_path / "report" / "evaluation.json").read_text(encoding="utf-8"))
    assert document["part"] == "test"
    assert document["tasks"]["carcinoma"]["absent"] == "no Seborrheic keratosis"
    assert len(document["tasks"]["dermoscopy"]["readers"]["points"]) == 2
    page = (tmp_path / "report" / "evaluation.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 4
    for outside in ("<script", "<link", "src=", "@import", "url(http"):
        assert outside not in page
    for chunk in page.split("<svg")[1:]:
        ElementTree.fromstring("<svg" + chunk[: chunk.index("</svg>") + 6])
    status, out, err = call(capfd, *words)
    assert status == 0, err
    assert "Nine-way" in out
    assert (tmp_path / "report" / "evaluation.html").read_text(encoding="utf-8") == page, "the same input, the same page"


def test_a_network_is_not_judged_on_what_it_was_trained_on(
    tiny_run: TrainedRun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    split = load_split(tiny_run.folder / "splits.csv", read_examples(tiny_run.data))
    save_split({"train": split["test"], "val": split["train"], "test": split["val"]}, tmp_path / "moved.csv")
    words = ("evaluate", tiny_run.folder, "--data", tiny_run.data, "--split", tmp_path / "moved.csv")
    words = (*words, "--out", tmp_path / "report")
    status, out, err = call(capfd, *words, "--part", "val")
    assert (status, out) == (2, "")
    assert f"was trained on lesions or patients of whom {len(split['train'])} images" in err
    assert not (tmp_path / "report").exists()
    for part in ("test", "train"):  # its validation part, and what is called training anyway
        status, _, err = call(capfd, *words, "--part", part)
        assert status == 0, err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--readers", "naevi=x.csv"), "give TASK=FILE with one of the tasks carcinoma, melanoma, dermoscopy"),
        (("--readers", "melanoma=absent.csv"), "absent.csv: not a readable file"),
        (("--readers", "melanoma=WRONG"), "needs columns sensitivity and specificity"),
        (("--readers", "melanoma=OUTSIDE"), "are shares, 0..1"),
        (("--split", "absent.csv"), "absent.csv: not a readable split file"),
    ],
)
def test_a_mistake_is_one_line(
    options: tuple[str, str], reason: str, tiny_run: TrainedRun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = write(tmp_path / "wrong.csv", "sens,spec", "1,1")
    outside = write(tmp_path / "outside.csv", "sensitivity,specificity", "95,50")
    value = options[1].replace("WRONG", str(wrong)).replace("OUTSIDE", str(outside))
    status, out, err = call(capfd, "evaluate", tiny_run.folder, "--data", tiny_run.data, options[0], value)
    assert (status, out, len(err.splitlines())) == (2, "", 1), err
    assert reason in err
