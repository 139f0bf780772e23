"""Training classes: the published walk, its two gaps, and what each policy promises about every image."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_runtime.errors import DataError, TaxonomyError
from mobile_runtime.taxonomy import Taxonomy, default_taxonomy
from tests.mobile_runtime.test_taxonomy import trees
from tests.train.factories import example
from train.partition import Partition, TrainingClass, node_counts, node_of, partition

TREE = Taxonomy(
    {"root": None, "a": "root", "a1": "a", "a2": "a", "b": "root", "b1": "b", "b11": "b1"},
    {},
    {},
    {},
)
COUNTS = {"a1": 3, "a2": 4, "b": 5, "b1": 2, "b11": 20}


@st.composite
def counted_trees(draw: st.DrawFn) -> tuple[Taxonomy, dict[str, int]]:
    """A random tree with images at some of its nodes, at least one of them."""
    tree = draw(trees())
    counts = draw(st.dictionaries(st.sampled_from(list(tree.parents)), st.integers(0, 30), min_size=1))
    if not sum(counts.values()):
        counts[tree.root] = 1
    return tree, counts


limits = st.integers(1, 40)


def own_class(tree: Taxonomy, counts: dict[str, int], made: Partition) -> dict[str, list[TrainingClass]]:
    """Node with images -> the classes that hold them: the definition of membership, not the code under test."""
    return {
        node: [c for c in made.classes if (c.node == node if c.own else c.node in tree.ancestors(node))]
        for node, count in counts.items()
        if count
    }


@given(counted_trees(), limits)
def test_every_image_is_in_exactly_one_class(case: tuple[Taxonomy, dict[str, int]], limit: int) -> None:
    tree, counts = case
    made = partition(tree, counts, limit, oversized="keep", inner="class")
    assert not made.partial and not made.dropped
    assert sum(c.size for c in made.classes) == sum(counts.values())
    assert all(len(homes) == 1 for homes in own_class(tree, counts, made).values())
    for made_class in made.classes:
        assert made_class.size == sum(counts[n] for n, homes in own_class(tree, counts, made).items() if homes == [made_class])


@given(counted_trees(), limits, st.sampled_from(["marginal", "class", "drop"]))
def test_dropping_keeps_every_class_below_the_limit(case: tuple[Taxonomy, dict[str, int]], limit: int, inner: str) -> None:
    tree, counts = case
    made = partition(tree, counts, limit, oversized="drop", inner=inner)
    assert all(0 < c.size < limit for c in made.classes)


@given(counted_trees(), limits, st.sampled_from(["keep", "drop"]), st.sampled_from(["marginal", "class", "drop"]))
def test_every_image_is_accounted_for_once(
    case: tuple[Taxonomy, dict[str, int]], limit: int, oversized: str, inner: str
) -> None:
    tree, counts = case
    made = partition(tree, counts, limit, oversized, inner)
    parts = (sum(c.size for c in made.classes), sum(made.partial.values()), sum(made.dropped.values()))
    assert sum(parts) == sum(counts.values())
    for node, homes in own_class(tree, counts, made).items():
        assert len(homes) + (node in made.partial) + (node in made.dropped) >= 1
        assert len(homes) <= 1
    for node in made.partial:
        assert any(tree.covers(node, c.node) for c in made.classes)
    if oversized == "keep":  # only a leaf, or a node whose images are all its own, may pass the limit
        for made_class in made.classes:
            if made_class.size >= limit:
                assert made_class.size == counts[made_class.node]


@given(counted_trees(), limits)
def test_a_class_could_not_have_been_larger(case: tuple[Taxonomy, dict[str, int]], limit: int) -> None:
    tree, counts = case
    for made_class in partition(tree, counts, limit).classes:
        if (parent := tree.parents[made_class.node]) is not None:
            assert sum(count for node, count in counts.items() if tree.covers(parent, node)) >= limit


def test_the_published_walk_on_a_tree_by_hand() -> None:
    # a holds 7 < 8 and stays whole; b holds 27 and is split; its own 5 images, those of b1 and the leaf b11 fall through.
    literal = partition(TREE, COUNTS, 8, oversized="drop", inner="drop")
    assert literal == Partition((TrainingClass("a", 7),), {}, {"b11": 20, "b1": 2, "b": 5})
    ours = partition(TREE, COUNTS, 8)
    assert ours == Partition((TrainingClass("a", 7), TrainingClass("b11", 20)), {"b1": 2, "b": 5}, {})
    whole = partition(TREE, COUNTS, 8, inner="class")
    assert [(c.node, c.size, c.own) for c in whole.classes] == [
        ("a", 7, False),
        ("b", 5, True),
        ("b1", 2, True),
        ("b11", 20, False),
    ]


def test_fewer_than_the_limit_means_fewer() -> None:
    assert [c.node for c in partition(TREE, COUNTS, 7).classes] == ["a1", "a2", "b11"]
    assert [c.node for c in partition(TREE, COUNTS, 35).classes] == ["root"]
    assert [c.node for c in partition(TREE, COUNTS, 34).classes] == ["a", "b"]


def test_a_sum_of_dropped_classes_cannot_be_trained() -> None:
    made = partition(TREE, {"b": 5, "b11": 20}, 8, oversized="drop")
    assert made == Partition((), {}, {"b11": 20, "b": 5})


def test_what_cannot_be_partitioned_is_refused() -> None:
    with pytest.raises(DataError, match="no images"):
        partition(TREE, {"a1": 0})
    with pytest.raises(DataError, match="b11 has -1 images"):
        partition(TREE, {"b11": -1})
    with pytest.raises(TaxonomyError, match="wart"):
        partition(TREE, {"wart": 1})


def test_a_label_of_several_nodes_is_attached_to_the_lowest_that_holds_them() -> None:
    tree = default_taxonomy()
    assert node_of(("melanoma",), tree) == "melanoma"
    assert node_of(("melanocytic_nevus", "seborrheic_keratosis"), tree) == "benign"
    assert node_of(("melanocytic_nevus", "melanoma"), tree) == tree.root
    examples = [example(0, "0", dataset="isic2017"), example(1, "1", dataset="isic2017"), example(2, "mel")]
    assert node_counts(examples, tree) == {"benign": 1, "melanoma": 2}
