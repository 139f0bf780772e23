"""Cores: a measurement stays on one, and the process gets the others back."""

from __future__ import annotations

import os

import pytest

from mobile_runtime.cores import pinned


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no core affinity on this system")
def test_pinning_holds_one_core_and_lets_go() -> None:
    before = os.sched_getaffinity(0)
    with pytest.raises(ZeroDivisionError), pinned():  # noqa: PT012 - what is tested is the block
        assert len(os.sched_getaffinity(0)) == 1
        raise ZeroDivisionError
    assert os.sched_getaffinity(0) == before
    with pinned(False):
        assert os.sched_getaffinity(0) == before


def test_where_cores_cannot_be_chosen_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    with pinned():
        pass
