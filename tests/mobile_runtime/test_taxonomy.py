"""The tree of diseases: shape, label maps, partial labels and sums over descendants."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_runtime.errors import TaxonomyError
from mobile_runtime.taxonomy import (
    HAM10000_CLASSES,
    Taxonomy,
    default_taxonomy,
    descendant_sum,
    parse_taxonomy,
)


@st.composite
def trees(draw: st.DrawFn, least: int = 2) -> Taxonomy:
    """A random tree: node i hangs below an earlier node; `odd` sums one node and leaves another out."""
    size = draw(st.integers(least, 14))
    parents: dict[str, str | None] = {"n0": None}
    for index in range(1, size):
        parents[f"n{index}"] = f"n{draw(st.integers(0, index - 1))}"
    nodes = list(parents)
    summed, left_out = draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
    return Taxonomy(parents, {n: n.upper() for n in nodes}, {"odd": ((summed,), (left_out,))}, {"set": {"a": ("n0",)}})


def below(tree: Taxonomy, node: str) -> set[str]:
    """The node and all that hangs from it, by walking down: the definition that `covers` must agree with."""
    found = {node}
    for child in tree.children(node):
        found |= below(tree, child)
    return found


def leaves(tree: Taxonomy) -> list[str]:
    return [node for node in tree.parents if not tree.children(node)]


@given(trees())
def test_going_up_and_going_down_agree(tree: Taxonomy) -> None:
    for node in tree.parents:
        assert tree.ancestors(node)[0] == node
        assert tree.ancestors(node)[-1] == tree.root
        assert {other for other in tree.parents if tree.covers(node, other)} == below(tree, node)


@given(trees(), st.integers(0, 2**32 - 1))
def test_a_node_has_the_probability_of_its_children(tree: Taxonomy, seed: int) -> None:
    classes = leaves(tree)
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(len(classes)), 3).astype(np.float32)

    def probability(node: str) -> np.ndarray:
        return descendant_sum(probabilities, tree.class_mask([node], classes))

    # At most 14 terms of at most 1: rounding stays under 14 half-units of float32 at 1 (6e-8 each).
    for node in tree.parents:
        if children := tree.children(node):
            np.testing.assert_allclose(probability(node), sum(probability(child) for child in children), atol=1e-6)
    np.testing.assert_allclose(probability(tree.root), 1, atol=1e-6)


@given(trees(least=3), st.data())
def test_a_cycle_is_refused(tree: Taxonomy, data: st.DataObject) -> None:
    node = data.draw(st.sampled_from([n for n in tree.parents if n != tree.root]))
    parents = dict(tree.parents) | {node: data.draw(st.sampled_from(sorted(below(tree, node))))}
    with pytest.raises(TaxonomyError, match="cycle"):
        Taxonomy(parents, tree.names, tree.aggregates, tree.datasets)


@given(trees(), st.data())
def test_a_mask_marks_what_the_label_may_be(tree: Taxonomy, data: st.DataObject) -> None:
    classes = leaves(tree)
    nodes = data.draw(st.lists(st.sampled_from(sorted(tree.parents)), min_size=1, max_size=3))
    expected = [any(c in below(tree, node) for node in nodes) for c in classes]
    mask = tree.class_mask(nodes, classes)
    assert mask.dtype == np.float32
    assert mask.tolist() == expected


@given(trees())
def test_a_verdict_on_a_label_holds_for_every_leaf_below_it(tree: Taxonomy) -> None:
    single = {leaf: bool(tree.aggregate_vector("odd", [leaf])[0]) for leaf in leaves(tree)}
    for leaf, value in single.items():
        assert tree.truth("odd", [leaf]) is value
    for node in tree.parents:
        verdict = tree.truth("odd", [node])
        if verdict is not None:
            assert {single[leaf] for leaf in below(tree, node) & single.keys()} == {verdict}


@given(trees())
def test_parsing_gives_the_tree_back(tree: Taxonomy) -> None:
    document = {
        "nodes": {node: [parent, tree.names[node]] for node, parent in tree.parents.items()},
        "aggregates": {name: {"sum": list(s), "except": list(e)} for name, (s, e) in tree.aggregates.items()},
        "datasets": {name: {label: nodes[0] for label, nodes in labels.items()} for name, labels in tree.datasets.items()},
    }
    assert parse_taxonomy(document) == tree


_scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(["a", "b"])
_documents = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "sum", "except"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_documents | st.fixed_dictionaries({"nodes": _documents, "aggregates": _documents, "datasets": _documents}))
def test_any_document_parses_or_is_refused_by_type(document: Any) -> None:
    with contextlib.suppress(TaxonomyError):
        assert isinstance(parse_taxonomy(document), Taxonomy)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"nodes": {}}, "exactly one root"),
        ({"nodes": {"a": [None, "A"], "b": [None, "B"]}}, "exactly one root"),
        ({"nodes": {"a": [None, "A"], "b": ["z", "B"]}}, "unknown parent 'z'"),
        ({"nodes": {"a": [None, "A"], "b": ["c", "B"], "c": ["b", "C"]}}, "cycle through '[bc]'"),
        ({"nodes": {"a": [None, "A"], "b": ["b", "B"]}}, "cycle through 'b'"),
        ({"aggregates": {"m": {"sum": ["ghost"], "except": []}}}, "ghost"),
        ({"aggregates": {"m": {"sum": ["a"]}}}, "except"),
        ({"datasets": {"d": {"x": ["a", "ghost"]}}}, "ghost"),
    ],
)
def test_a_malformed_file_is_refused_by_reason(change: dict[str, Any], reason: str) -> None:
    document: dict[str, Any] = {"nodes": {"a": [None, "A"]}, "aggregates": {}, "datasets": {}}
    assert parse_taxonomy(document).root == "a"
    with pytest.raises(TaxonomyError, match=reason):
        parse_taxonomy(document | change)


def test_the_default_tree_has_the_papers_upper_levels() -> None:
    tree = default_taxonomy()
    assert set(tree.children(tree.root)) == {"benign", "malignant", "non_neoplastic"}
    groups = [group for top in tree.children(tree.root) for group in tree.children(top)]
    assert len(groups) == 9


def test_the_classes_are_in_the_order_of_ham10000s_labels() -> None:
    tree = default_taxonomy()
    labels = ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]
    assert [tree.nodes_of("ham10000", label) for label in labels] == [(name,) for name in HAM10000_CLASSES]


def test_malignancy_and_cancer_of_the_seven_classes() -> None:
    tree = default_taxonomy()
    #                                     akiec bcc bkl df mel nv vasc
    assert tree.aggregate_vector("malignancy", HAM10000_CLASSES).tolist() == [1, 1, 0, 0, 1, 0, 0]
    assert tree.aggregate_vector("cancer", HAM10000_CLASSES).tolist() == [0, 1, 0, 0, 1, 0, 0]


def test_a_class_that_holds_premalignant_lesions_has_no_cancer_score() -> None:
    tree = default_taxonomy()
    for classes in (("benign", "malignant"), ("benign", "epidermal_malignant", "melanoma")):
        assert tree.aggregate_vector("malignancy", classes).tolist() == [0, *[1] * (len(classes) - 1)]
        with pytest.raises(TaxonomyError, match=f"class '{classes[1]}' holds premalignant_epidermal, which cancer leaves out"):
            tree.aggregate_vector("cancer", classes)
    with pytest.raises(TaxonomyError, match="class 'skin_condition' holds malignant and others"):
        tree.aggregate_vector("malignancy", ("skin_condition", "melanoma"))
    assert tree.aggregate_vector("cancer", ("premalignant_epidermal", "actinic_keratosis", "melanoma")).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("dataset", "label", "classes"),
    [
        ("ham10000", "mel", {"melanoma"}),
        ("isic2017", "0", {"melanocytic_nevus", "benign_keratosis"}),  # a partial label of two nodes
        ("isic2017", "0.0", {"melanocytic_nevus", "benign_keratosis"}),  # as the release writes it
        ("isic2017", "1.0", {"melanoma"}),
        ("pad_ufes_20", "ACK", {"premalignant_epidermal"}),  # a class that holds the label's node
        ("pad_ufes_20", "SCC", {"premalignant_epidermal", "basal_cell_carcinoma"}),  # no class of its own: climbs
    ],
)
def test_labels_become_the_classes_they_may_be(dataset: str, label: str, classes: set[str]) -> None:
    tree = default_taxonomy()
    mask = tree.class_mask(tree.nodes_of(dataset, label), HAM10000_CLASSES)
    assert {name for name, marked in zip(HAM10000_CLASSES, mask, strict=True) if marked} == classes


def test_a_class_that_holds_the_label_comes_before_climbing() -> None:
    tree = default_taxonomy()
    assert tree.class_mask(["basal_cell_carcinoma"], ["malignant", "melanoma"]).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("nodes", "malignancy", "cancer"),
    [
        (("melanoma",), True, True),
        (("melanocytic_nevus",), False, False),
        (("melanocytic_nevus", "seborrheic_keratosis"), False, False),
        (("actinic_keratosis",), True, False),
        (("epidermal_malignant",), True, None),  # carcinoma or a precursor of it
        (("malignant",), True, None),
        (("melanoma", "melanocytic_nevus"), None, None),
        (("skin_condition",), None, None),
    ],
)
def test_truth_is_open_where_the_label_leaves_it_open(
    nodes: tuple[str, ...], malignancy: bool | None, cancer: bool | None
) -> None:
    tree = default_taxonomy()
    assert tree.truth("malignancy", nodes) is malignancy
    assert tree.truth("cancer", nodes) is cancer


@pytest.mark.parametrize(
    "dataset", ["ham10000", "isic2017", "isic2018", "isic2019", "isic2020", "pad_ufes_20", "derm7pt", "ph2"]
)
def test_every_label_of_a_set_of_lesions_says_something_about_the_classes(dataset: str) -> None:
    tree = default_taxonomy()
    for nodes in tree.datasets[dataset].values():
        assert tree.class_mask(nodes, HAM10000_CLASSES).any()


@pytest.mark.parametrize(
    ("dataset", "labels"),
    [
        ("ham10000", 7),
        ("isic2018", 7),
        ("isic2019", 9),
        ("isic2020", 11),
        ("fitzpatrick17k", 114),
        ("ddi", 78),
        ("derm7pt", 20),
        ("ph2", 6),
    ],
)
def test_no_label_of_a_release_is_missing(dataset: str, labels: int) -> None:
    assert len(default_taxonomy().datasets[dataset]) == labels


def test_every_node_is_known_by_its_id_and_its_name_in_any_case() -> None:
    tree = default_taxonomy()
    for node, name in tree.names.items():
        for label in (node, name, name.upper(), node.replace("_", "-")):
            assert tree.nodes_of("taxonomy", label) == (node,)
    with pytest.raises(TaxonomyError, match="'naevi' is not one of taxonomy's"):
        tree.nodes_of("taxonomy", "naevi")


def test_a_label_may_leave_open_which_of_several_it_is() -> None:
    tree = default_taxonomy()
    assert tree.nodes_of("ham10000", "mel | nv | mel") == ("melanoma", "melanocytic_nevus")
    assert tree.unknown_parts("ham10000", "mel | wart") == ["wart"]
    with pytest.raises(TaxonomyError, match="'wart' is not one of"):
        tree.nodes_of("ham10000", "mel | wart")


def test_labels_that_are_spelt_nearly_alike_are_found() -> None:
    tree = default_taxonomy()
    assert tree.near_labels("ham10000", "MEL") == ["mel"]
    assert tree.near_labels("taxonomy", "Actinic keratoses")[0] == "actinic keratosis"
    assert tree.near_labels("taxonomy", "cancer") == []


def test_what_is_no_tumour_is_not_counted_as_a_benign_one() -> None:
    tree = default_taxonomy()
    for label in ("xanthomas", "porokeratosis of mibelli", "prurigo nodularis"):
        assert "non_neoplastic" in tree.ancestors(tree.nodes_of("fitzpatrick17k", label)[0])


def test_nothing_but_cancer_counts_as_cancer() -> None:
    tree = default_taxonomy()
    ddi = {label for label, nodes in tree.datasets["ddi"].items() if tree.truth("cancer", nodes) is not False}
    assert ddi == {
        *("basal-cell-carcinoma", "basal-cell-carcinoma-nodular", "basal-cell-carcinoma-superficial"),
        *("blastic-plasmacytoid-dendritic-cell-neoplasm", "kaposi-sarcoma", "leukemia-cutis", "metastatic-carcinoma"),
        *("melanoma", "melanoma-acral-lentiginous", "melanoma-in-situ", "nodular-melanoma-(nm)", "mycosis-fungoides"),
        *("sebaceous-carcinoma", "squamous-cell-carcinoma", "squamous-cell-carcinoma-keratoacanthoma"),
        "subcutaneous-t-cell-lymphoma",
    }
    assert tree.truth("malignancy", tree.nodes_of("ddi", "squamous-cell-carcinoma-in-situ")) is True
    isic = {label: tree.truth("malignancy", nodes) for label, nodes in tree.datasets["isic2020"].items()}
    assert {label for label, verdict in isic.items() if verdict is not False} == {"melanoma", "malignant"}


def test_classes_of_two_releases_with_the_same_labels_are_the_same() -> None:
    tree = default_taxonomy()
    assert {label.upper(): nodes for label, nodes in tree.datasets["ham10000"].items()} == tree.datasets["isic2018"]


def test_what_is_not_in_the_tree_is_named() -> None:
    tree = default_taxonomy()
    with pytest.raises(TaxonomyError, match=r"'wart'.*akiec"):
        tree.nodes_of("ham10000", "wart")
    with pytest.raises(TaxonomyError, match=r"'ph3'.*ham10000"):
        tree.nodes_of("ph3", "mel")
    with pytest.raises(TaxonomyError, match=r"'doom'.*malignancy"):
        tree.aggregate_vector("doom", HAM10000_CLASSES)
    with pytest.raises(TaxonomyError, match="unicorn"):
        tree.ancestors("unicorn")
    with pytest.raises(TaxonomyError, match="inflammatory"):
        tree.class_mask(["inflammatory"], HAM10000_CLASSES)


def test_sums_run_in_class_order_in_float32() -> None:
    # Half a unit in the last place is lost each time it meets 1, but two of them together make a whole one: the order shows.
    half = np.float32(2**-24)
    mask = np.array([1, 1, 1, 0], np.float32)
    large_first = np.array([1, half, half, 9], np.float32)
    large_last = np.array([half, half, 1, 9], np.float32)
    total = descendant_sum(np.stack([large_first, large_last]), mask)
    assert total.dtype == np.float32
    assert total.tolist() == [1.0, 1.0 + 2**-23]
    assert descendant_sum(large_first, np.zeros(4, np.float32)) == 0
