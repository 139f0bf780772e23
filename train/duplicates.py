"""Near-duplicates: pictures that show the same skin although no lesion or patient number says so.

Esteva et al. 2017 (Methods, "Datasets") built a similarity graph from metadata and nearest neighbours among CNN features, and
kept its connected components on one side of the split. Here the edges are lesion or patient numbers, perceptual hashes and,
given a checkpoint, embeddings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mobile_runtime.console import track
from train.datasets import Example
from train.splits import Split, check_split
from train.tables import group_numbers

HASH_BITS = 255
MAX_DISTANCE = 24
"""Bits of 255. Among 2,500 images of HAM10000 (200 x 150 pixels, 3.1 million pairs) 24 bits joined 11 pairs, all of one lesion
each; 32 bits 16 pairs, one of them of two lesions; 48 bits 32 pairs, 12 of them of two lesions."""
MIN_SIMILARITY = 0.99
_EDGE = 16
_CHUNK = 1024
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """Two images that look the same.

    Attributes:
        first: index of one.
        second: index of the other, the larger.
        distance: differing bits of their hashes in the position that fits best; None where only embeddings found them.
        similarity: cosine of their embeddings; None without embeddings or where only hashes found them.
    """

    first: int
    second: int
    distance: int | None = None
    similarity: float | None = None


@dataclass(frozen=True)
class Audit:
    """What near-duplicates do to a split.

    Attributes:
        pairs: all pairs of different lesions or patients that look the same.
        leaks: those of them whose images are in two parts.
        contradictions: those of them with labels of different meaning.
        components: int [N], images that belong together have one number.
    """

    pairs: tuple[Pair, ...]
    leaks: tuple[Pair, ...]
    contradictions: tuple[Pair, ...]
    components: npt.NDArray[np.int32]


def perceptual_hash(image: npt.NDArray[np.uint8]) -> Floats:
    """Signs of the low frequencies of a picture in its eight positions (quarter turns and mirror images).

    The DCT hash of Zauner 2010 ("Implementation and Benchmarking of Perceptual Image Hash Functions", section 3.2.1) with
    16 x 16 coefficients without the mean, compared with their median.

    Args:
        image: uint8 RGB [H, W, 3]; the whole frame counts, whatever its shape.

    Returns:
        float32 [8, 255] of -1 and +1; row 0 is the picture as it is.
    """
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (4 * _EDGE, 4 * _EDGE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(grey.astype(np.float32))[:_EDGE, :_EDGE]
    # Mirroring a picture turns the sign of every odd frequency, transposing it transposes its frequencies.
    odd = np.where(np.arange(_EDGE) % 2, -1.0, 1.0)
    rows = [
        (matrix * np.outer(odd if down else 1 + 0 * odd, odd if across else 1 + 0 * odd)).reshape(-1)[1:]
        for matrix in (low, low.T)
        for down in (False, True)
        for across in (False, True)
    ]
    values = np.stack(rows)
    return np.where(values > np.median(values, axis=1, keepdims=True), 1.0, -1.0).astype(np.float32)


def _matches(rows: Floats, columns: Floats, least: float) -> Iterator[tuple[int, int, float]]:
    """Pairs i < j with a dot product of at least `least`, by blocks."""
    for start in range(0, len(rows), _CHUNK):
        products = rows[start : start + _CHUNK] @ columns[start:].T
        for i, j in np.argwhere(products >= least).tolist():
            if i < j:
                yield start + i, start + j, float(products[i, j])


def same_hash(hashes: Floats, max_distance: int = MAX_DISTANCE) -> list[Pair]:
    """Pairs whose hashes differ in at most so many bits, whichever way one of them is turned or mirrored.

    Args:
        hashes: float32 [N, 8, 255] of `perceptual_hash`.
        max_distance: differing bits of 255. Unrelated pictures differ in about half of them.
    """
    plain = np.ascontiguousarray(hashes[:, 0])
    nearest: dict[tuple[int, int], int] = {}
    for position in track(range(hashes.shape[1]), "compare"):
        turned = np.ascontiguousarray(hashes[:, position])
        # Half a bit of room for rounding.
        for i, j, product in _matches(plain, turned, HASH_BITS - 2 * max_distance - 0.5):
            distance = round((HASH_BITS - product) / 2)
            nearest[i, j] = min(distance, nearest.get((i, j), distance))
    return [Pair(i, j, distance=distance) for (i, j), distance in sorted(nearest.items())]


def same_embedding(embeddings: Floats, min_similarity: float = MIN_SIMILARITY) -> list[Pair]:
    """Pairs whose embeddings [N, D] have at least this cosine."""
    units = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    return [Pair(i, j, similarity=min(1.0, s)) for i, j, s in _matches(units, units, min_similarity)]


def merge(*found: Sequence[Pair]) -> list[Pair]:
    """Pairs of several searches, each pair once."""
    merged: dict[tuple[int, int], Pair] = {}
    for pair in (pair for pairs in found for pair in pairs):
        known = merged.get((pair.first, pair.second), pair)
        distance = pair.distance if known.distance is None else known.distance
        similarity = pair.similarity if known.similarity is None else known.similarity
        merged[pair.first, pair.second] = Pair(pair.first, pair.second, distance, similarity)
    return [merged[key] for key in sorted(merged)]


def components(examples: Sequence[Example], pairs: Sequence[Pair]) -> npt.NDArray[np.int32]:
    """Connected components of the graph of lesion or patient numbers and pairs; int32 [N]."""
    groups = group_numbers(examples)
    count = len(examples)
    # Each image hangs from the node of its group, and each pair joins two images.
    starts = np.concatenate([np.arange(count), np.array([pair.first for pair in pairs], dtype=np.int64)])
    ends = np.concatenate([count + groups, np.array([pair.second for pair in pairs], dtype=np.int64)])
    size = count + int(groups.max()) + 1
    graph = coo_array((np.ones(len(starts), dtype=np.int8), (starts, ends)), shape=(size, size))
    labels = connected_components(graph, directed=False)[1][:count]
    return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.int32)


def audit(examples: Sequence[Example], split: Split, pairs: Sequence[Pair]) -> Audit:
    """Judge a split of the examples by the pairs found among them."""
    part = {example.key: name for name, members in split.items() for example in members}

    def between(pair: Pair) -> tuple[Example, Example]:
        return examples[pair.first], examples[pair.second]

    foreign = [pair for pair in pairs if len({example.group for example in between(pair)}) == 2]
    leaks = [pair for pair in foreign if len({part[example.key] for example in between(pair)}) == 2]
    contradictions = [pair for pair in foreign if len({example.nodes for example in between(pair)}) == 2]
    return Audit(tuple(foreign), tuple(leaks), tuple(contradictions), components(examples, pairs))


def repair(examples: Sequence[Example], split: Split, members: npt.NDArray[np.int32]) -> Split:
    """Put each component as a whole into the part that holds most of its images, into the first of them where parts tie.

    Raises:
        DataError: a part is left empty.
    """
    names = list(split)
    place = {example.key: index for index, name in enumerate(names) for example in split[name]}
    homes = np.array([place[example.key] for example in examples])
    votes = np.zeros((int(members.max()) + 1, len(names)), dtype=np.int64)
    np.add.at(votes, (members, homes), 1)
    chosen = votes.argmax(1)[members]
    part_of = {example.key: names[index] for example, index in zip(examples, chosen, strict=True)}
    everything = [example for name in names for example in split[name]]
    mended = {name: [example for example in everything if part_of[example.key] == name] for name in names}
    check_split(mended)
    return mended
