"""YAML as people write it: a key that is there twice is a slip, and not the last one meant."""

from __future__ import annotations

from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} is there twice", key.start_mark)
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """The document of a YAML text, made of plain Python types.

    Raises:
        yaml.YAMLError: it is no YAML, or a mapping has a key twice.
        ValueError: a date or number that cannot be.
    """
    return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
