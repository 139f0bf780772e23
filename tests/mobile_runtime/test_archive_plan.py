"""Plans of runs over archives: how they are cut, and kept apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobile_runtime.archive import Item
from mobile_runtime.archive_plan import Plan, part_path
from mobile_runtime.errors import DataError


def plan_of(items: list[Item], **changes: object) -> Plan:
    return Plan(items, **({"part_images": 2, "bundle": "b-1", "variant": "v", "operating_point": "rule_out"} | changes))


def test_parts_hold_each_image_once(tmp_path: Path) -> None:
    items = [Item(f"{i}.png", f"/{i}.png", 1, 1) for i in range(7)]
    plan = plan_of(items, part_images=3)
    assert [len(plan.items_of(part)) for part in plan.parts] == [3, 3, 1]
    assert [item for part in plan.parts for item in plan.items_of(part)] == items


def test_a_folder_of_results_belongs_to_one_plan(tmp_path: Path) -> None:
    items = [Item(f"{i}.png", f"/{i}.png", 1, 1) for i in range(4)]
    plan = plan_of(items)
    plan.claim(tmp_path)
    plan.claim(tmp_path)
    part = part_path(tmp_path, 0)
    part.parent.mkdir()
    part.write_bytes(b"a part")
    torn = part.with_name(f".{part.name}.x1y2")
    torn.write_bytes(b"half a part")
    for changes, named in (
        ({"part_images": 3}, "part_images"),
        ({"bundle": "b-2", "variant": "w"}, "bundle, variant"),
        ({"operating_point": "rule_in"}, "operating_point"),
    ):
        with pytest.raises(DataError, match=f"begun with another {named}; start over with --fresh or choose another folder"):
            plan_of(items, **changes).claim(tmp_path)
    touched = plan_of([*items[:3], Item("3.png", "/3.png", 1, changed_ns=2)])
    with pytest.raises(DataError, match="begun with another images; "):
        touched.claim(tmp_path)
    plan.claim(tmp_path)
    assert part.exists()
    assert not torn.exists()
    touched.claim(tmp_path, fresh=True)
    assert not part.exists()
    touched.claim(tmp_path)

    part.write_bytes(b"of an unknown plan")
    (tmp_path / "plan.json").unlink()
    with pytest.raises(DataError, match=r"holds parts without plan\.json"):
        plan.claim(tmp_path)
