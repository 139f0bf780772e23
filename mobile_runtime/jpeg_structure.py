"""JPEG files that lack a part although they open, and those whose scans would keep a decoder busy."""

from __future__ import annotations

import re

import numpy as np

from mobile_runtime.errors import CaptureError

MAX_SCANS = 24
"""Of a progressive JPEG; encoders write up to a dozen. Each one more takes a pass over all pixels and hardly a byte."""
MAX_PARTS = 65_536
"""Segments, chunks or items of a file."""
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
_STANDALONE = {0xD8, 0xD9}
_END, _SCAN, _TABLES, _PROFILE = 0xD9, 0xDA, 0xC4, 0xE2
_ICC = b"ICC_PROFILE\0"
_SEQUENTIAL, _PROGRESSIVE = {0xC0, 0xC1, 0xC9}, {0xC2, 0xCA}
_COEFFICIENTS = 64
_COMPLETE = -1
"""Instead of a bit: a coefficient has come to its last."""
_ERASED = 2**64 - 1
_COMPONENTS = 4
"""More are no colours that a decoder here knows."""


def check_jpeg(data: bytes, name: str) -> None:
    """Refuse JPEGs that lack a part, or whose scans take for ever.

    A picture is whole when each coefficient of each component has come to its last bit (ITU-T T.81, G.1.1), and each scan goes
    on from the bit that the one before it ended at (G.1.1.1.2): of one that lacks scans, first ones or last ones, libjpeg shows
    what it has, without an error where an end marker follows. Each part of a profile has its number and how many there are
    (ICC.1, B.4): where one is missing, decoders leave the profile aside, and colours are wrong.
    Restart markers count from 0 to 7 over and over (ITU-T T.81, E.1.4).

    Raises:
        CaptureError: over `MAX_SCANS` or `MAX_PARTS`, a hole, no end, or scans, what is between restart markers, or parts of
            the profile that are missing.
        IndexError: a length points outside the file.
    """
    scans = position = 0
    zero_symbols: dict[int, int] = {}
    awaited: dict[int, list[int]] = {}  # component -> for each coefficient the bit that its next scan must go on from
    profile: list[tuple[int, ...]] = []
    sequential = telling = torn = False
    for _ in range(MAX_PARTS):
        marker = _MARKER.search(data, position)
        end = marker.start() if marker else len(data)
        if scans and _lacks_data(data, position, end, telling):
            raise CaptureError(f"{name}: a part of it is missing; copy or take it again")
        telling = False
        if marker is None and scans:
            raise CaptureError(f"{name}: its end is missing; copy or take it again")
        if marker is None or (kind := marker[1][0]) == _END:
            if torn or any(set(bits) != {_COMPLETE} for bits in awaited.values()):
                raise CaptureError(f"{name}: a part of its scans is missing; copy or take it again")
            alone = [count for _, count in profile] == [1]  # whatever its number
            if not alone and sorted(profile) != [(number, len(profile)) for number in range(1, len(profile) + 1)]:
                raise CaptureError(f"{name}: its colour profile is not whole; export it again from the original")
            return
        position = marker.end()
        if kind in _STANDALONE:
            continue
        begin, position = position + 2, position + max(2, int.from_bytes(data[position : position + 2], "big"))
        if kind in _SEQUENTIAL | _PROGRESSIVE:
            sequential = kind in _SEQUENTIAL
            components = data[begin + 6 : begin + 6 + 3 * min(_COMPONENTS, data[begin + 5]) : 3]
            awaited = {component: [0] * _COEFFICIENTS for component in components}
        elif kind == _PROFILE and data[begin:position].startswith(_ICC):
            profile.append(tuple(data[begin:position][len(_ICC) : len(_ICC) + 2]))
        elif kind == _TABLES:
            zero_symbols |= _zero_symbols(data[begin:position])
        elif kind == _SCAN:
            scans += 1
            if scans > MAX_SCANS:
                raise CaptureError(f"{name}: a JPEG of over {MAX_SCANS} scans, which no camera writes; export it anew")
            selected = begin + 1 + 2 * data[begin]
            first, last, bits = (0, 63, 0) if sequential else (data[selected], data[selected + 1], data[selected + 2])
            for component in awaited.keys() & set(data[begin + 1 : selected : 2]):
                band = awaited[component][first : last + 1]
                torn |= any(bit != bits >> 4 for bit in band)
                awaited[component][first : last + 1] = [bits & 15 or _COMPLETE] * len(band)
            # With such a table zeros are small coefficients, one after the other, and not blocks without any.
            telling = sequential and zero_symbols.get(data[begin + 2] & 15, 0) != 0
    raise too_many(name)


def _zero_symbols(tables: bytes) -> dict[int, int]:
    """Number of each AC table in a segment of Huffman tables -> what a code of zeros stands for (ITU-T T.81, B.2.4.2, C.2)."""
    found = {}
    at = 0
    while at + 17 < len(tables):
        count = sum(tables[at + 1 : at + 17])
        if tables[at] >> 4 == 1 and count:
            found[tables[at] & 15] = tables[at + 17]
        at += 17 + count
    return found


def _lacks_data(data: bytes, begin: int, end: int, telling: bool) -> bool:
    """Whether a part of a scan is erased, to ones or, where they are telling, zeros, or its restart markers do not count on."""
    if has_hole(data, begin, end, zeros=telling):
        return True
    return any(marker[1][0] != 0xD0 + place % 8 for place, marker in enumerate(_RESTART.finditer(data, begin, end)))


def has_hole(data: bytes, begin: int, end: int, zeros: bool = True) -> bool:
    """Whether 23 bytes that were never written follow one another, or from 16 on, depending on where: 255, or 0 if `zeros`."""
    begin = min(begin, len(data))
    words = np.frombuffer(data, np.uint64, max(0, end - begin) // 8, begin)
    erased = words == _ERASED
    if zeros:
        erased |= words == 0
    return bool((erased[1:] & erased[:-1] & (words[1:] == words[:-1])).any())


def too_many(name: str) -> CaptureError:
    """What to raise of a file of over `MAX_PARTS`."""
    return CaptureError(f"{name}: over {MAX_PARTS} parts, which no camera writes; export it anew")
