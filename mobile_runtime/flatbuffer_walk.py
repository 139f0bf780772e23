"""FlatBuffers of any schema, read with every offset checked. Layout: https://flatbuffers.dev/internals."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

MAX_WORK = 2_000_000
"""Most numbers read, a table or string counting as 20: offsets may lead to one table a million times, which would keep a phone
busy for minutes."""


class StructureError(ValueError):
    """The bytes are no TFLite flatbuffer that this runtime can trust."""


Scalar: TypeAlias = Literal["b", "B", "h", "H", "i", "I", "q", "Q", "f"]


@dataclass(frozen=True)
class Many:
    """A vector of scalars, or of tables."""

    item: Scalar | dict[str, tuple[int, Any]]


Fields: TypeAlias = dict[str, tuple[int, Any]]
"""Field name -> (number in the table, kind); a kind is a scalar's struct letter, "string", "opaque", `Many` or fields."""


class Walk:
    """Reads tables of one file; every read is bounds-checked."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.work = 0
        self.end = 0

    def scalar(self, kind: str, at: int) -> int:
        size = struct.calcsize(f"<{kind}")
        self.inside(at, size)
        value: int = struct.unpack_from(f"<{kind}", self.data, at)[0]
        return value

    def inside(self, at: int, size: int) -> None:
        if at < 0 or size < 0 or at + size > len(self.data):
            raise StructureError(f"an offset leads to bytes {at}..{at + size} of {len(self.data)}")
        self.end = max(self.end, at + size)

    def spend(self, work: int) -> None:
        self.work += work
        if self.work > MAX_WORK:
            raise StructureError("it has far more parts than a mobile model")

    def follow(self, at: int) -> int:
        return at + self.scalar("I", at)

    def vector(self, at: int, item_size: int) -> tuple[int, int]:
        """First item and number of items."""
        count = self.scalar("I", at)
        self.inside(at + 4, count * item_size)
        return at + 4, count

    def string(self, at: int) -> None:
        self.spend(20)
        start, count = self.vector(at, 1)
        self.inside(start, count + 1)
        if self.data[start + count] != 0:
            raise StructureError(f"the string at byte {at} has no end")

    def slots(self, at: int) -> list[int]:
        """Where each field of the table is; 0 for one that is left out."""
        self.spend(20)
        table = at - self.scalar("i", at)
        length = self.scalar("H", table)
        if length < 4 or length % 2:
            raise StructureError(f"the table at byte {at} has a field list of {length} bytes")
        self.inside(table, length)
        size = self.scalar("H", table + 2)
        self.inside(at, size)
        offsets = struct.unpack_from(f"<{(length - 4) // 2}H", self.data, table + 4)
        if any(offset and not 4 <= offset < size for offset in offsets):
            raise StructureError(f"the table at byte {at} has a field outside itself")
        return [at + offset if offset else 0 for offset in offsets]

    def table(self, at: int, fields: Fields) -> dict[str, Any]:
        """Field values; scalars left out are 0, all else that is left out is None."""
        slots = self.slots(at)
        values: dict[str, Any] = {}
        for name, (number, kind) in fields.items():
            where = slots[number] if number < len(slots) else 0
            if isinstance(kind, str) and len(kind) == 1:
                values[name] = self.scalar(kind, where) if where else 0
            else:
                values[name] = self.value(self.follow(where), kind) if where else None
        return values

    def value(self, at: int, kind: Any) -> Any:
        if kind == "string":
            return self.string(at)
        if kind == "opaque":
            self.slots(at)
            return at
        if isinstance(kind, Many):
            if isinstance(kind.item, dict):
                start, count = self.vector(at, 4)
                return [self.table(self.follow(start + 4 * i), kind.item) for i in range(count)]
            start, count = self.vector(at, struct.calcsize(f"<{kind.item}"))
            if kind.item in "bB":  # weights and the like: only their extent matters
                return range(start, start + count)
            self.spend(count)
            return struct.unpack_from(f"<{count}{kind.item}", self.data, start)
        return self.table(at, kind)
