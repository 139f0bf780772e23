"""A small run of the fuzzer; the stored result of the large one must be clean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.fuzz_capture import RESULT, Outcome, fuzz, judge, make_file, summarize
from benchmarks.fuzz_mutations import MUTATIONS, corpus, mutate
from mobile_runtime import Bundle, CaptureError
from mobile_runtime.capture import prepare

COUNT = 400


def test_intact_files_are_read() -> None:
    for data in corpus().values():
        assert prepare(data, 64).shape == (64, 64, 3)


def test_files_depend_on_seed_and_index_alone() -> None:
    intact = corpus()
    assert make_file(7, 0, intact, {}) == make_file(7, 0, intact, {})
    assert make_file(7, 0, intact, {}) != make_file(7, 1, intact, {})
    # Every mutation is used, and none is lost on every file.
    import random

    for name, mutation in MUTATIONS.items():
        changed = [mutation(random.Random(i), data) != data for i, data in enumerate(intact.values())]
        assert any(changed), name
    assert mutate(random.Random(0), intact)[2]


@pytest.mark.slow
def test_mutated_files_give_an_assessment_or_a_capture_error(sample_bundle: Path) -> None:
    Bundle.load(sample_bundle)
    outcomes = list(fuzz(sample_bundle, COUNT, seed=1, large={}))
    assert len(outcomes) == COUNT
    assert [outcome.index for outcome in outcomes] == list(range(COUNT))
    assert [outcome for outcome in outcomes if not outcome.allowed] == []
    kinds = {outcome.kind for outcome in outcomes}
    assert kinds == {"assessment", "capture_error"}


def test_limits_are_judged() -> None:
    assert judge("assessment", 0.1, 1000) == "assessment"
    assert judge("assessment", 2.1, 1000) == "slow"
    assert judge("capture_error", 0.1, (1 << 30) + 1) == "memory"
    assert judge("exception", 9.0, 1 << 40) == "exception"
    bad = Outcome(0, "png", "bit", "exception", "ValueError: x", 0.0, 0)
    assert not bad.allowed
    assert summarize([bad], 0)["failures"][0]["detail"] == "ValueError: x"


def test_stored_result_is_clean() -> None:
    document = json.loads(RESULT.read_text(encoding="utf-8"))
    assert document["count"] >= 20_000
    assert document["failures"] == []
    assert set(document["outcomes"]) == {"assessment", "capture_error"}


def test_error_is_the_runtime_s_own() -> None:
    with pytest.raises(CaptureError):
        prepare(corpus()["png"][:40], 64)
