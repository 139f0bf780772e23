"""The commands from end to end on a fake bundle: what they print, write and return."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks import cold_start, latency, not_skin
from benchmarks.commands import app
from benchmarks.corruptions import CORRUPTIONS
from benchmarks.decision_results import DecisionsReport
from benchmarks.drift_results import LEFT_OUT, DriftReport
from benchmarks.environment import environment
from benchmarks.gates_results import GatesReport
from benchmarks.latency_results import LatencyReport
from benchmarks.robustness_results import RobustnessReport
from mobile_runtime.errors import BundleError, DataError
from mobile_runtime.image_names import pack_names
from tests.benchmarks import fakes
from tests.benchmarks.test_latency import COLD, TINY

runner = CliRunner()


def drift_arguments(bundle: Path, dataset: Path, out: Path, *more: str) -> list[str]:
    table = str(dataset / "HAM10000_metadata.csv")
    fixed = ["drift", "--bundle", str(bundle), "--images", str(dataset), "--labels", table, "--out", str(out)]
    return [*fixed, "--resamples", "200", *more]


def test_drift_writes_json_and_a_page(bundle_path: Path, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = runner.invoke(app, drift_arguments(bundle_path, dataset, out), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    document = json.loads((out / "drift.json").read_text(encoding="utf-8"))
    report = DriftReport.model_validate(document)
    assert list(report.variants) == sorted(["float32", "int8", "onnx_float32"])
    assert report.dataset.images == 42 and report.dataset.groups == 28 and report.dataset.malignant == 18
    assert report.dataset.group_column == "lesion_id"
    assert (report.default_variant, report.default_operating_point) == ("int8", "balanced")
    assert "Core ML" in report.not_run["coreml_float16"]
    int8, onnx = report.variants["int8"], report.variants["onnx_float32"]
    assert int8.flips and int8.confidence_drift.malignancy_max > 0
    assert onnx.verdict is not None and onnx.verdict.outcome == "non-inferior" and not onnx.flips
    assert str(tmp_path) not in (out / "drift.json").read_text(encoding="utf-8")
    assert report.command.startswith("python -m benchmarks drift --bundle bundle --images ")
    assert "--labels HAM10000_metadata.csv" in report.command

    table = result.output
    assert "AUC malignant" in table and "non-inferior" in table and "coreml_float16: not run on this machine" in table
    assert max(map(len, table.splitlines()[:-5])) <= 120


def test_the_page_is_self_contained_and_escaped(bundle_path: Path, dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "<b>data"
    shutil.copytree(dataset, copy)
    out = tmp_path / "out"
    runner.invoke(app, drift_arguments(bundle_path, copy, out), catch_exceptions=False)
    page = (out / "drift.html").read_text(encoding="utf-8")
    assert "<b>data" not in page and "&lt;b&gt;data" in page
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert page.count("<figure>") == 3 and page.count("<svg") >= 6
    flips = json.loads((out / "drift.json").read_text(encoding="utf-8"))["variants"]["int8"]["flips"]
    assert page.count("data:image/jpeg;base64,") == min(len(flips), 24) > 0
    assert "prefers-color-scheme: dark" in page and "@media print" in page and 'name="viewport"' in page
    assert str(tmp_path) not in page
    assert not re.search(r"\bnan\b", re.sub(r'base64,[^"]*', "", page), re.IGNORECASE)


def test_drift_is_reproducible_and_prints_json_only(bundle_path: Path, dataset: Path, tmp_path: Path) -> None:
    documents = []
    for seed in ("1", "1", "2"):
        arguments = drift_arguments(bundle_path, dataset, tmp_path / "out", "--json", "--seed", seed)
        document: dict[str, Any] = json.loads(runner.invoke(app, arguments, catch_exceptions=False).stdout)
        documents.append(document["variants"])
    assert documents[0] == documents[1]
    assert documents[0] != documents[2]


def test_chosen_variants_always_have_the_reference_beside_them(bundle_path: Path, dataset: Path, tmp_path: Path) -> None:
    arguments = drift_arguments(bundle_path, dataset, tmp_path / "out", "--json", "--variants", "int8")
    document = json.loads(runner.invoke(app, arguments, catch_exceptions=False).stdout)
    assert sorted(document["variants"]) == ["float32", "int8"] and document["not_run"]["onnx_float32"] == LEFT_OUT
    arguments[-1] = " , "
    assert isinstance(runner.invoke(app, arguments).exception, DataError)


def test_unreadable_images_are_counted_and_the_status_says_so(bundle_path: Path, dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(dataset, copy)
    victim = sorted(copy.rglob("*.jpg"))[3]
    victim.write_bytes(b"not an image")
    result = runner.invoke(app, drift_arguments(bundle_path, copy, tmp_path / "out"), catch_exceptions=False)
    assert result.exit_code == 1
    assert victim.stem in result.stderr and "1 of 42 images could not be read" in result.stderr
    report = json.loads((tmp_path / "out" / "drift.json").read_text(encoding="utf-8"))
    assert report["dataset"]["images"] == 41
    assert [item["image"] for item in report["dataset"]["unreadable"]] == [victim.stem]
    assert "Not measured: " + victim.stem in (tmp_path / "out" / "drift.html").read_text(encoding="utf-8")


def test_one_class_only_still_gives_a_report(bundle_path: Path, dataset: Path, tmp_path: Path) -> None:
    lines = (dataset / "HAM10000_metadata.csv").read_text(encoding="utf-8").splitlines()
    table = tmp_path / "nevi.csv"
    table.write_text("\n".join([lines[0], *(line for line in lines if ",nv," in line)]) + "\n", encoding="utf-8")
    arguments = drift_arguments(bundle_path, dataset, tmp_path / "out")
    arguments[arguments.index("--labels") + 1] = str(table)
    result = runner.invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "Malignancy AUC is undefined" in result.output
    assert "36 images have no label row" in result.stderr
    fixed = ["--bundle", str(bundle_path), "--images", str(dataset), "--labels", str(table), "--prevalence", "0.05"]
    decided = runner.invoke(app, ["decisions", *fixed], catch_exceptions=False)
    assert decided.exit_code == 0 and "decision curve are undefined" in " ".join(decided.output.split())
    page = (tmp_path / "out" / "drift.html").read_text(encoding="utf-8")
    assert "undetermined" in page and "specificity" in page


def test_a_bundle_without_float32_is_refused(dataset: Path, tmp_path: Path) -> None:
    alone = fakes.write_bundle(tmp_path / "small", [fakes.variant("int8", precision="int8")])
    result = runner.invoke(app, drift_arguments(alone, dataset, tmp_path / "out"))
    assert isinstance(result.exception, BundleError) and "make bundle" in str(result.exception)
    assert not (tmp_path / "out").exists()


def decisions_run(bundle: Path, dataset: Path, *more: str) -> Any:
    table = str(dataset / "HAM10000_metadata.csv")
    fixed = ["decisions", "--bundle", str(bundle), "--images", str(dataset), "--labels", table, "--prevalence", "0.05"]
    return runner.invoke(app, [*fixed, *more])


def test_decisions_are_printed_and_stored(bundle_path: Path, dataset: Path, tmp_path: Path) -> None:
    file = tmp_path / "decisions.json"
    more = ["--subgroup", "localization", "--subgroup", "dx", "--floor", "12", "--out", str(file)]
    result = decisions_run(bundle_path, dataset, *more)
    assert result.exit_code == 0, result.output
    report = DecisionsReport.model_validate_json(file.read_bytes())
    assert report.variant == "int8" and report.operating_point == "balanced" and report.threshold == 0.5
    assert (report.default_variant, report.default_operating_point) == ("int8", "balanced")
    assert sum(sum(counts.values()) for counts in report.verdicts.values()) == report.dataset.images == 42
    assert report.malignant_unanswered is not None and report.malignant_unanswered.n == 18
    assert report.outcomes is not None and len(report.decision_curve) == 50 and set(report.coverage) == {"margin"}
    assert sorted(report.diagnoses) == ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]
    assert report.subgroups["localization"].groups["unknown"].images == 42
    assert len(report.subgroups["dx"].withheld) == 7
    assert report.command == (
        "python -m benchmarks decisions --bundle bundle --images "
        f"{dataset.name} --labels HAM10000_metadata.csv --prevalence 0.05 --image-column image_id --label-column dx "
        "--dataset ham10000 --subgroup localization --subgroup dx --floor 12 --threads 1"
    )
    for words in (
        "false reassurance",
        "1,000 patients of whom 50 have a malignant or premalignant lesion",
        "akiec",
        "localization: unknown",
        "akiec (6)",
    ):
        assert words in result.output
    assert str(tmp_path) not in file.read_text(encoding="utf-8")
    assert json.loads(decisions_run(bundle_path, dataset, "--json").stdout)["kind"] == "decisions"


def test_no_result_is_written_over_what_it_is_of(bundle_path: Path, dataset: Path) -> None:
    for source, what in (
        (dataset / "HAM10000_metadata.csv", "table of labels"),
        (min(dataset.rglob("*.jpg")), "picture"),
    ):
        before = source.read_bytes()
        refused = decisions_run(bundle_path, dataset, "--out", str(source)).exception
        assert isinstance(refused, DataError)
        assert f"{source}: the {what} itself; give another name for the result" in str(refused)
        assert source.read_bytes() == before


def test_decisions_name_what_is_wrong(bundle_path: Path, dataset: Path) -> None:
    assert "5 % is 0.05" in str(decisions_run(bundle_path, dataset, "--prevalence", "5").exception)
    assert "no column 'tone'" in str(decisions_run(bundle_path, dataset, "--subgroup", "tone").exception)


def test_robustness_is_printed_stored_and_reproducible(bundle_path: Path, dataset: Path, tmp_path: Path) -> None:
    file = tmp_path / "robustness.json"
    table = str(dataset / "HAM10000_metadata.csv")
    fixed = ["robustness", "--bundle", str(bundle_path), "--images", str(dataset), "--labels", table, "--limit", "10"]
    result = runner.invoke(app, [*fixed, "--out", str(file)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report = RobustnessReport.model_validate_json(file.read_bytes())
    assert (report.default_variant, report.default_operating_point) == ("int8", "balanced")
    assert report.dataset.images == 10 and set(report.corruptions) == set(CORRUPTIONS) and report.undamaged.flips.value == 0
    assert "malignant, refer undamaged, but low_concern damaged" in result.output
    assert "gel_bubbles" in result.output and "int8_offset" in result.output and "none in the bundle" in result.output
    assert "The bundle has no golden vectors" in result.output
    assert str(tmp_path) not in file.read_text(encoding="utf-8")
    again = json.loads(runner.invoke(app, [*fixed, "--json"], catch_exceptions=False).stdout)
    assert again["corruptions"] == json.loads(file.read_text(encoding="utf-8"))["corruptions"]


def test_gates_are_printed_and_stored(
    bundle_path: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(not_skin, "KINDS", {"plain": not_skin.KINDS["plain"]})
    file = tmp_path / "gates.json"
    table = str(dataset / "HAM10000_metadata.csv")
    fixed = ["gates", "--bundle", str(bundle_path), "--images", str(dataset), "--labels", table, "--limit", "3"]
    fixed += ["--operating-point", "rule_out"]
    result = runner.invoke(app, [*fixed, "--out", str(file)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report = GatesReport.model_validate_json(file.read_bytes())
    assert (report.default_variant, report.default_operating_point) == ("int8", "balanced")
    assert (
        report.operating_point == "rule_out"
        and report.dataset.images == 3
        and report.not_skin["plain"]["refer"] + report.not_skin["plain"]["low_concern"] == 40
    )
    assert report.not_skin_not_scored is not None and report.not_skin_not_scored.value == 0
    assert report.flips.single_frame is not None and report.flips.single_frame.n == 3 * 15
    assert "burst of five" in result.output


def test_images_that_trained_the_build_are_named(bundle_path: Path, dataset: Path) -> None:
    document = json.loads((bundle_path / "manifest.json").read_text(encoding="utf-8"))
    names = sorted(path.stem for path in dataset.rglob("*.jpg"))
    document["provenance"]["seen_images"] = pack_names(f"ham10000:{name}" for name in names[1:])
    (bundle_path / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
    table = str(dataset / "HAM10000_metadata.csv")
    fixed = [
        "decisions",
        "--bundle",
        str(bundle_path),
        "--images",
        str(dataset),
        "--labels",
        table,
        "--prevalence",
        "0.05",
        "--json",
    ]
    result = runner.invoke(app, fixed, catch_exceptions=False)
    stored = json.loads(result.stdout)
    assert sorted(stored["dataset"]["seen"]) == names[1:]
    said = f"{len(names) - 1} of the images, first {stored['dataset']['seen'][0]}, have the names of those that trained"
    assert any(note.startswith(said) for note in stored["notes"]) and said in result.stderr
    # The build knows them by more folders than the table names.
    longer = [path.relative_to(dataset.parent).as_posix() for path in dataset.rglob("*.jpg") if path.stem != names[0]]
    document["provenance"]["seen_images"] = pack_names(f"ham10000:{name}" for name in longer)
    (bundle_path / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
    again = json.loads(runner.invoke(app, fixed, catch_exceptions=False).stdout)
    assert sorted(again["dataset"]["seen"]) == names[1:]


@pytest.mark.parametrize("command", ["robustness", "gates"])
def test_only_the_images_drawn_count_as_calibration_images(
    command: str, bundle_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(not_skin, "KINDS", {"plain": not_skin.KINDS["plain"]})
    names = sorted(path.stem for path in dataset.rglob("*.jpg"))
    table = str(dataset / "HAM10000_metadata.csv")

    def notes(calibrated: list[str]) -> list[str]:
        document = json.loads((bundle_path / "manifest.json").read_text(encoding="utf-8"))
        document["provenance"]["calibration_ids"] = [f"ham10000:{name}" for name in calibrated]
        (bundle_path / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
        fixed = [command, "--bundle", str(bundle_path), "--images", str(dataset), "--labels", table, "--limit", "3", "--json"]
        result = runner.invoke(app, fixed, catch_exceptions=False)
        stored = json.loads(result.stdout)
        found = [note for note in stored["notes"] if "calibrated" in note]
        assert ("calibrated" in result.stderr) is bool(found)
        assert len(stored["dataset"]["calibration"]) == (int(found[0].split()[0]) if found else 0)
        return found

    (said,) = notes(names)
    drawn = re.fullmatch(r"3 of the images, first (\S+), calibrated .*", said)
    assert drawn is not None
    second = re.match(r"2 of the images, first (\S+), ", notes([name for name in names if name != drawn[1]])[0])
    assert second is not None
    third = re.match(r"1 of the images, first (\S+), ", notes([name for name in names if name not in (drawn[1], second[1])])[0])
    assert third is not None
    assert notes([name for name in names if name not in (drawn[1], second[1], third[1])]) == []


def test_gates_leave_out_what_cannot_be_read(
    bundle_path: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(not_skin, "KINDS", {"plain": not_skin.KINDS["plain"]})
    good = sorted(dataset.rglob("*.jpg"))[:2]
    folder = tmp_path / "images"
    folder.mkdir()
    for path in good:
        shutil.copy(path, folder)
    (folder / "broken.jpg").write_bytes(good[0].read_bytes()[:200])
    rows = [f"{path.stem},nv" for path in sorted(folder.iterdir())]
    (tmp_path / "labels.csv").write_text("\n".join(["image_id,dx", *rows]), encoding="utf-8")
    file = tmp_path / "gates.json"
    fixed = ["gates", "--bundle", str(bundle_path), "--images", str(folder), "--labels", str(tmp_path / "labels.csv")]
    result = runner.invoke(app, [*fixed, "--out", str(file)])
    assert result.exit_code == 1, result.output
    report = GatesReport.model_validate_json(file.read_bytes())
    assert report.dataset.images == 2 and [item.image for item in report.dataset.unreadable] == ["broken"]
    for path in good:
        (folder / path.name).write_bytes(b"")
    refused = runner.invoke(app, fixed)
    assert isinstance(refused.exception, DataError) and "none of the 3 images can be read" in str(refused.exception)


def latency_run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.setattr(latency, "QUICK", TINY)
    monkeypatch.setattr(cold_start, "measure", lambda bundle, jobs, repeats, advance: [COLD] * len(jobs))
    return runner.invoke(app, ["latency", "--quick", *arguments])


def test_latency_measures_every_variant_and_thread_count(
    bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "latency.json"
    result = latency_run(monkeypatch, "--bundle", str(bundle_path), "--threads", "1", "--threads", "2", "--out", str(file))
    assert result.exit_code == 0, result.output
    report = LatencyReport.model_validate_json(file.read_bytes())
    assert [(run.variant, run.threads, run.pinned) for run in report.runs] == [
        *((name, 1, hasattr(os, "sched_setaffinity")) for name in ("float32", "int8", "onnx_float32")),
        *((name, 2, False) for name in ("float32", "int8", "onnx_float32")),
    ]
    assert report.sampling.quick and report.environment.evidence == "desktop"
    assert report.command == "python -m benchmarks latency --bundle bundle --threads 1 --threads 2 --quick"
    assert "coreml_float16" in report.not_run
    assert "decode" in result.output and "quick look" in result.output
    assert str(tmp_path) not in file.read_text(encoding="utf-8")


def test_latency_takes_as_many_threads_as_there_are_cores(
    bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = environment().model_copy(update={"cores_allowed": 3})
    monkeypatch.setattr("benchmarks.commands.environment", lambda: machine)
    file = tmp_path / "latency.json"
    latency_run(monkeypatch, "--bundle", str(bundle_path), "--variants", "int8", "--out", str(file))
    assert [run.threads for run in LatencyReport.model_validate_json(file.read_bytes()).runs] == [1, 2]


def test_latency_compares_with_a_stored_result(bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "old.json"
    base = ["--bundle", str(bundle_path), "--variants", "int8,float32"]
    latency_run(monkeypatch, *base, "--out", str(file))
    result = latency_run(monkeypatch, *base, "--compare", str(file))
    assert result.exit_code == 0 and "new / old" in result.output
    document = json.loads(file.read_text(encoding="utf-8"))
    document["environment"]["fingerprint"] = "0" * 16
    file.write_text(json.dumps(document), encoding="utf-8")
    refused = latency_run(monkeypatch, *base, "--compare", str(file))
    assert isinstance(refused.exception, DataError) and "another machine" in str(refused.exception)


@pytest.mark.parametrize("kind", ["drift", "decisions", "robustness", "gates", "latency", "peers", "devices"])
def test_schemas_are_published(kind: str) -> None:
    document = json.loads(runner.invoke(app, ["schema", kind], catch_exceptions=False).stdout)
    assert document["properties"]["schema_version"]["const"] == 1
    assert document["properties"]["kind"]["const"] == kind


@pytest.mark.parametrize(
    "command", ["drift", "decisions", "robustness", "gates", "latency", "peers", "devices", "report", "gate", "schema"]
)
def test_help_has_an_example(command: str) -> None:
    result = runner.invoke(app, [command, "--help"])
    assert result.exit_code == 0 and f"Example: python -m benchmarks {command}" in result.output


@pytest.mark.parametrize(
    "words",
    [
        ["decisions", "--prevalence", "0.05"],
        ["robustness"],
        ["gates"],
        ["drift"],
        ["latency"],
        ["peers", "none"],
        ["devices", "--target", "local"],
        ["report", "none.json"],
    ],
    ids=lambda words: words[0],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(words: list[str], tmp_path: Path) -> None:
    name, *more = words
    if name in ("decisions", "robustness", "gates", "drift"):
        more += ["--images", str(tmp_path / "none"), "--labels", str(tmp_path / "none.csv")]
    place, said = tmp_path, "a folder; give the file to write"
    if name == "drift":
        place, said = tmp_path / "file", "not a folder, so nothing can be written into it; give another place"
        place.touch()
    result = runner.invoke(app, [name, *more, "--out", str(place)])
    assert isinstance(result.exception, DataError) and str(result.exception) == f"{place}: {said}"
