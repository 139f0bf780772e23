"""What a run over an archive does: which images each part holds, by which model, and which folder of results is its own.

A part is written whole or not at all, and a run that was stopped does those that are missing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, astuple, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mobile_runtime.archive import Item
from mobile_runtime.errors import DataError
from mobile_runtime.files import sha256_bytes, write_json

PLAN = "plan.json"
PARTS = "parts"


@dataclass(frozen=True)
class Plan:
    """What a run does; a run folder belongs to one plan.

    Attributes:
        items: the images.
        part_images: images in a part; the last may have fewer.
        bundle: its id, which covers every byte of it.
        variant: name of the model's exported form.
        operating_point: name of the locked threshold.
    """

    items: list[Item] = field(repr=False)
    part_images: int
    bundle: str
    variant: str
    operating_point: str

    @cached_property
    def document(self) -> dict[str, Any]:
        """What plan.json says."""
        listed = json.dumps([astuple(item) for item in self.items], ensure_ascii=False)
        rest = {name: getattr(self, name) for name in ("part_images", "bundle", "variant", "operating_point")}
        return {"count": len(self.items), "images": sha256_bytes(listed.encode("utf-8", "surrogateescape")), **rest}

    @cached_property
    def digest(self) -> str:
        """What each part carries, so that a part of another plan is never taken for one of this."""
        return sha256_bytes(json.dumps(self.document, sort_keys=True).encode())

    @property
    def parts(self) -> range:
        """Numbers of the parts."""
        return range(-(-len(self.items) // self.part_images))

    def items_of(self, part: int) -> list[Item]:
        """The images of a part."""
        return self.items[part * self.part_images : (part + 1) * self.part_images]

    def claim(self, out: Path, fresh: bool = False) -> None:
        """Make a folder this plan's, or find that it is already.

        Args:
            out: the folder of results.
            fresh: throw away what is there.

        Raises:
            DataError: it was begun with another plan; what differs is named.
        """
        path = out / PLAN
        there = sorted((out / PARTS).glob("part-*.parquet"))
        if fresh:
            for old in (path, *there):
                old.unlink(missing_ok=True)
        elif there and not path.is_file():
            raise DataError(f"{out}: holds parts without {PLAN}; start over with --fresh or choose another folder")
        if path.is_file():
            try:
                begun = json.loads(path.read_text(encoding="utf-8"))
                changed = sorted(name for name, value in self.document.items() if begun.get(name) != value)
            except (ValueError, AttributeError) as error:
                raise DataError(f"{path}: not a plan ({error}); start over with --fresh or choose another folder") from error
            if changed:
                names = ", ".join(changed)
                raise DataError(f"{out}: begun with another {names}; start over with --fresh or choose another folder")
        else:
            write_json(path, self.document)
        for torn in (out / PARTS).glob(".part-*"):  # of a process that was killed
            torn.unlink(missing_ok=True)


def part_path(out: Path, part: int) -> Path:
    """Where a part goes."""
    return out / PARTS / f"part-{part:06d}.parquet"


def item_text(items: list[Item]) -> str:
    """Items as a worker gets them."""
    return json.dumps([asdict(item) for item in items])


def items_from(text: str) -> list[Item]:
    """The reverse of `item_text`."""
    return [Item(**fields) for fields in json.loads(text)]
