"""YAML in which nothing is said twice."""

from __future__ import annotations

import pytest
import yaml

from mobile_runtime.yaml_text import load_yaml


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3", "x:\n  - {k: 1, k: 2}", "1: a\n1: b"])
def test_a_key_that_is_there_twice_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="is there twice"):
        load_yaml(text)


@pytest.mark.parametrize("text", ["a: 1\nb: {a: 2}", "1: a\n'1': b", "base: &b {x: 1}\nmore:\n  <<: *b\n  x: 2", "", "[a, a]"])
def test_everything_else_is_read_as_ever(text: str) -> None:
    assert load_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize("text", ["a: !!python/object/apply:os.getcwd []", "[a: 1, a: 2", "? [a]\n: 1"])
def test_what_is_no_plain_data_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load_yaml(text)
