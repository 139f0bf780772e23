"""Golden vectors: they replay here, and one fault shows as the stage that it is in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mobile_runtime import Bundle, BundleError
from mobile_runtime.commands import app
from mobile_runtime.decision import Decision
from mobile_runtime.errors import EngineError, MissingEngineError
from mobile_runtime.golden import GOLDEN, load_vectors, read_array
from mobile_runtime.replay import STAGES, Check, Replay, replay
from tests.mobile_runtime.small import edit_manifest, rehash, write_small_bundle


@pytest.fixture(scope="session")
def golden_bundle(sample_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample bundle with golden vectors. Read it, never change it."""
    if (sample_bundle / GOLDEN).is_file():
        return sample_bundle
    add_golden = pytest.importorskip("export.golden").add_golden
    folder = tmp_path_factory.mktemp("golden") / "bundle"
    shutil.copytree(sample_bundle, folder)
    add_golden(folder)
    return folder


@pytest.fixture
def own(golden_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(golden_bundle, tmp_path / "own"))


def change_array(folder: Path, path: str, change: Callable[[Any], Any]) -> None:
    """Change an array and let the manifest say so."""
    array = np.load(folder / path)
    np.save(folder / path, change(array))
    rehash(folder, path)


def change_vectors(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change golden.json and let the manifest say so."""
    document = json.loads((folder / GOLDEN).read_text(encoding="utf-8"))
    change(document)
    (folder / GOLDEN).write_text(json.dumps(document), encoding="utf-8")
    rehash(folder, GOLDEN)


def test_every_stage_of_every_case_replays(golden_bundle: Path) -> None:
    bundle = Bundle.load(golden_bundle)
    found = replay(bundle)
    assert found.first_failure is None
    cases = [case.name for case in load_vectors(bundle).cases]
    assert len(cases) >= 10
    seen = {(check.stage, check.case) for check in found.checks}
    assert seen >= {(stage, case) for stage in STAGES for case in cases}
    assert ("decision", "rules") in seen
    ran = {check.variant.split(" ")[0] for check in found.checks if check.stage == "outputs"}
    assert ran | set(found.not_run) == set(bundle.variants)
    for kernels in ("xnnpack", "builtin"):
        assert any(kernels in check.variant for check in found.checks)


def test_cases_cover_what_ports_get_wrong(golden_bundle: Path) -> None:
    bundle = Bundle.load(golden_bundle)
    vectors = load_vectors(bundle)
    uprights = [read_array(golden_bundle, case.upright, {case.upright}) for case in vectors.cases]
    assert any(image.shape[0] < image.shape[1] for image in uprights)
    assert any(image.shape[0] > image.shape[1] for image in uprights)
    assert any(side % 2 for image in uprights for side in image.shape[:2])
    sources = [(golden_bundle / case.source).read_bytes() for case in vectors.cases]
    assert any(b"Exif" in data for data in sources)
    assert {case.frame.layout for case in vectors.cases if case.frame} >= {"nv21", "nv12", "bgra"}
    assert any(case.reasons for case in vectors.cases)
    assert any(not case.reasons for case in vectors.cases)
    for case in vectors.cases:
        assert read_array(golden_bundle, case.prepared, {case.prepared}).shape == (vectors.input_size,) * 2 + (3,)
    decisions = {rule.decision for variant in vectors.variants.values() for rule in variant.rules}
    assert len(decisions) >= 3


def test_files_are_small_and_plain(golden_bundle: Path) -> None:
    entries = [entry for entry in Bundle.load(golden_bundle).manifest.files if entry.path.startswith("golden/")]
    assert {entry.role for entry in entries} == {"golden"}
    assert sum(entry.size_bytes for entry in entries) < 2.75 * 2**20
    for entry in entries:
        if entry.path.endswith(".npy"):
            header = (golden_bundle / entry.path).read_bytes()[:128]
            assert header[:8] == b"\x93NUMPY\x01\x00"
            assert b"'fortran_order': False" in header
            assert b"'<f4'" in header or b"'|u1'" in header


@pytest.mark.parametrize("stage", STAGES)
def test_a_fault_shows_in_its_stage(own: Path, stage: str) -> None:
    bundle = Bundle.load(own)
    case = load_vectors(bundle).cases[0]
    name = bundle.manifest.default_variant
    if stage == "upright":
        change_array(own, case.upright, lambda image: np.roll(image, 1, axis=1))
    elif stage == "prepared":
        change_array(own, case.prepared, lambda image: np.where(image < 255, image + 1, 254).astype(np.uint8))
    elif stage == "quality":
        change_vectors(own, lambda document: document["cases"][0]["quality"].update(sharpness=9.0))
    elif stage == "outputs":
        for recording in load_vectors(bundle).variants[name].recordings:
            change_array(own, recording.outputs["probabilities"], lambda values: values[:, ::-1].copy())
    else:
        change_vectors(own, lambda document: document["variants"][name]["rules"][0].update(decision="retake"))
    found = replay(Bundle.load(own)).first_failure
    assert found is not None
    assert found.stage == stage
    answer = CliRunner().invoke(app, ["verify", str(own), "--golden"])
    assert answer.exit_code == 1
    assert f"first at stage {stage}" in " ".join(answer.output.split())


def test_every_rule_is_replayed(own: Path) -> None:
    name = Bundle.load(own).manifest.default_variant
    last = load_vectors(Bundle.load(own)).variants[name].rules[-1]
    other = "refer" if last.decision is Decision.RETAKE else "retake"
    change_vectors(own, lambda document: document["variants"][name]["rules"][-1].update(decision=other))
    failed = [check for check in replay(Bundle.load(own)).checks if not check.passed]
    assert [(check.stage, check.case, check.variant) for check in failed] == [("decision", "rules", name)]
    assert f"instead of {other}" in failed[0].detail


def test_other_reasons_fail_though_every_figure_is_the_same(own: Path) -> None:
    case = load_vectors(Bundle.load(own)).cases[0]
    change_vectors(own, lambda document: document["cases"][0].update(reasons=["too_small", *case.reasons]))
    failure = replay(Bundle.load(own)).first_failure
    assert failure is not None
    assert (failure.stage, failure.case) == ("quality", case.name)
    assert failure.detail == f"reasons {case.reasons} instead of {['too_small', *case.reasons]}"


def test_decisions_rest_on_malignancy_wherever_it_stands(own: Path) -> None:
    edit_manifest(own, lambda document: document["scores"].reverse())
    vectors = load_vectors(Bundle.load(own))
    assert any(Decision.REFER in decisions for each in vectors.variants.values() for decisions in each.decisions.values())
    for path in {variant.recordings[0].outputs["scores"] for variant in vectors.variants.values() if variant.recordings}:
        # The other score says that there is nothing.
        change_array(own, path, lambda scores: np.stack([0 * scores[:, 0], scores[:, 0]], axis=1))
    decisions = [check for check in replay(Bundle.load(own)).checks if check.stage == "decision"]
    assert decisions and all(check.passed for check in decisions)


def test_command_prints_stage_by_case(golden_bundle: Path) -> None:
    answer = CliRunner().invoke(app, ["verify", "--bundle", str(golden_bundle), "--golden"])
    assert answer.exit_code == 0, answer.output
    for word in (*STAGES, "jpeg_exif_6", "frame_nv21"):
        assert word in answer.output
    document = json.loads(CliRunner().invoke(app, ["verify", str(golden_bundle), "--golden", "--json"]).stdout)
    assert document["golden"]["passed"] is True
    assert document["signature"] == "none" or (golden_bundle / "signature.json").exists()


def test_bundle_without_vectors_says_so(sample_bundle: Path, tmp_path: Path) -> None:
    small = write_small_bundle(tmp_path / "small", sample_bundle)
    with pytest.raises(BundleError, match="no golden vectors"):
        replay(Bundle.load(small))


def test_malformed_vectors_are_bundle_errors(own: Path) -> None:
    bundle = Bundle.load(own)
    path = load_vectors(bundle).cases[0].prepared
    intact = (own / path).read_bytes()
    for wrong in (b"", b"no array", intact[:40], b"PK\3\4" + intact, intact.replace(b"|u1", b"<U1")):
        (own / path).write_bytes(wrong)
        rehash(own, path)
        with pytest.raises(BundleError, match="not an array"):
            replay(Bundle.load(own))
    (own / path).write_bytes(intact)
    rehash(own, path)
    change_vectors(own, lambda document: document["cases"][0].update(source="model_card.md/../../secret"))
    with pytest.raises(BundleError, match="not in the manifest"):
        replay(Bundle.load(own))
    change_vectors(own, lambda document: document.update(cases=1))
    with pytest.raises(BundleError, match="cases: Input should be a valid list; get the bundle again"):
        replay(Bundle.load(own))
    (own / GOLDEN).write_text('{"cases": [], "cases": []}', encoding="utf-8")
    rehash(own, GOLDEN)
    with pytest.raises(BundleError, match=r"malformed \(a key is there twice\)"):
        replay(Bundle.load(own))


@pytest.mark.parametrize(
    ("what", "match"),
    [
        ("prepared", "instead of"),
        ("upright", "instead of"),
        ("outputs", "instead of"),
        ("decisions", "one decision for each"),
        ("tolerance", "a tolerance for each output"),
    ],
)
def test_vectors_that_do_not_fit_their_cases_are_bundle_errors(own: Path, what: str, match: str) -> None:
    vectors = load_vectors(Bundle.load(own))
    name = Bundle.load(own).manifest.default_variant
    if what == "decisions":

        def shorten(document: dict[str, Any]) -> None:
            for decisions in document["variants"][name]["decisions"].values():
                decisions.pop()

        change_vectors(own, shorten)
    elif what == "tolerance":
        change_vectors(own, lambda document: document["variants"][name]["tolerance"].pop("scores"))
    elif what == "outputs":
        change_array(own, vectors.variants[name].recordings[0].outputs["scores"], lambda values: values[:-1])
    elif what == "upright":
        change_array(own, vectors.cases[0].upright, lambda values: values[..., 0])
    else:
        change_array(own, vectors.cases[0].prepared, lambda values: values[:-1])
    with pytest.raises(BundleError, match=match):
        replay(Bundle.load(own))


def test_vectors_of_another_size_or_of_no_case_are_bundle_errors(own: Path) -> None:
    change_vectors(own, lambda document: document.update(input_size=document["input_size"] + 16))
    with pytest.raises(BundleError, match="pixels, the manifest's model takes"):
        replay(Bundle.load(own))
    change_vectors(own, lambda document: document.update(cases=[]))
    with pytest.raises(BundleError, match="no cases"):
        replay(Bundle.load(own))


def test_scores_in_another_order_than_the_manifests_fail(own: Path) -> None:
    edit_manifest(own, lambda document: document["scores"].reverse())
    failure = replay(Bundle.load(own)).first_failure
    assert failure is not None
    assert "is not the sum of its classes" in failure.describe()


def test_a_bundle_whose_default_variant_was_not_run_fails(own: Path) -> None:
    name = Bundle.load(own).manifest.default_variant
    change_vectors(own, lambda document: document["variants"].pop(name))
    failure = replay(Bundle.load(own)).first_failure
    assert failure is not None
    assert failure.variant == name
    assert "the default variant was not run: it has no golden vectors" in failure.describe()
    others = [other for other in load_vectors(Bundle.load(own)).variants if other != name]
    assert replay(Bundle.load(own), variants=others).first_failure is None


@pytest.mark.parametrize("error", [EngineError, MissingEngineError])
def test_a_file_that_its_runtime_refuses_fails(own: Path, monkeypatch: pytest.MonkeyPatch, error: type[EngineError]) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error("cannot be opened")

    monkeypatch.setattr("mobile_runtime.replay.open_engine", refuse)
    bundle = Bundle.load(own)
    found = replay(bundle)
    said = {check.variant: check.detail for check in found.checks if check.stage == "outputs" and not check.passed}
    default = bundle.manifest.default_variant
    if error is EngineError:
        assert not found.not_run
        assert set(said.values()) == {"cannot be opened"} and f"{default} (xnnpack)" in said
    else:
        assert default in found.not_run
        assert said == {default: "the default variant was not run: cannot be opened"}


def test_classes_that_are_not_those_of_the_sums_do_not_verify(own: Path) -> None:
    def swap(document: dict[str, Any]) -> None:
        benign = next(i for i, weight in enumerate(document["scores"][0]["weights"]) if not weight)
        malignant = next(i for i, weight in enumerate(document["scores"][0]["weights"]) if weight)
        classes = document["classes"]
        classes[benign], classes[malignant] = classes[malignant], classes[benign]

    edit_manifest(own, swap)
    with pytest.raises(BundleError, match=r"malignancy sums classes .*, by the taxonomy it is .*; rebuild the bundle"):
        CliRunner().invoke(app, ["verify", str(own)], catch_exceptions=False)


def test_another_machine_gets_the_other_tolerance(own: Path) -> None:
    """Differences that only another machine may show: a port on ARM against a recording made on x86."""
    name = Bundle.load(own).manifest.default_variant

    def shift(document: dict[str, Any]) -> None:
        variant = document["variants"][name]
        variant["tolerance"] = {role: {"spread": 0.1, "same": 1e-4, "other": 0.15} for role in variant["tolerance"]}

    change_vectors(own, shift)
    recording = load_vectors(Bundle.load(own)).variants[name].recordings[0]
    change_array(own, recording.outputs["scores"], lambda values: values + np.float32(0.01))
    edit_manifest(own, lambda document: None)
    failure = replay(Bundle.load(own)).first_failure
    assert failure is not None
    assert failure.stage == "outputs"

    def elsewhere(document: dict[str, Any]) -> None:
        for found in document["variants"][name]["recordings"]:
            found["machine"] = "another"

    change_vectors(own, elsewhere)
    assert not [check for check in replay(Bundle.load(own)).checks if check.stage == "outputs" and not check.passed]


def test_worst_check_is_the_one_nearest_to_its_tolerance() -> None:
    checks = (
        Check("outputs", "a", "loose", 0.5, 1.0),
        Check("outputs", "a", "strict", 0.2, 0.25),
        Check("prepared", "a", "", 0.0, 0),
    )
    assert Replay(checks, {}).worst()["outputs", "a"].variant == "strict"
    assert Replay(checks, {}).first_failure is None
    failed = (*checks, Check("decision", "a", "", 1, 0), Check("prepared", "b", "", float("inf"), 0, "why"))
    assert Replay(failed, {}).first_failure == failed[-1]
    assert "stage prepared, case b: inf, allowed is 0 (why)" in failed[-1].describe()
    json.dumps(Replay(failed, {}).to_dict(), allow_nan=False)
