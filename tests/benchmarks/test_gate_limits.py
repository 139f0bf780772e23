"""Limits files."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gate_limits import read_limits
from mobile_runtime.errors import DataError


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
        ("schema_version: 1\nlimits: [{figure: a, at_least: no}]", "limits.0.at_least"),
        ("schema_version: 1\nlimits: [{figure: a, at_least: 1, at_least: 0}]", "key 'at_least' is there twice"),
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
