"""Reading labelled images: the public layouts, a CSV of one's own, and what is wrong with either."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_runtime.errors import DataError, TaxonomyError
from tests.train.factories import draw, write
from train.datasets import Columns, Example, read_examples, read_table

RELEASE_HEADER = "lesion_id,image_id,dx,dx_type,age,sex,localization"


def release(root: Path, table: str = "HAM10000_metadata.csv") -> Path:
    """HAM10000 as released: two parts, a table without images in it."""
    draw(root / "HAM10000_images_part_1", "ISIC_1.jpg", "ISIC_2.jpg")
    draw(root / "HAM10000_images_part_2", "ISIC_3.jpg")
    write(
        root / table,
        RELEASE_HEADER,
        "HAM_1,ISIC_1,mel,histo,45.0,male,back",
        "HAM_1,ISIC_3,mel,histo,45.0,male,back",
        "HAM_2,ISIC_2,nv,follow_up,,female,face",
    )
    return root


@pytest.mark.parametrize("table", ["HAM10000_metadata.csv", "HAM10000_metadata"])
def test_the_public_release_of_ham10000_is_read_under_both_names(tmp_path: Path, table: str) -> None:
    first, second, third = read_examples(release(tmp_path, table))
    assert (first.image_id, first.label, first.nodes, first.dataset) == ("ISIC_1", "mel", ("melanoma",), "ham10000")
    assert first.path == tmp_path / "HAM10000_images_part_1" / "ISIC_1.jpg"
    assert second.path == tmp_path / "HAM10000_images_part_2" / "ISIC_3.jpg"
    assert first.group == second.group != third.group
    assert first.key == "ham10000:ISIC_1"
    assert first.attributes == {"dx_type": "histo", "age": "45.0", "sex": "male", "localization": "back"}
    assert "age" not in third.attributes, "an empty cell is no value"


def test_one_part_alone_or_images_beside_the_table_will_do(tmp_path: Path) -> None:
    draw(tmp_path / "HAM10000_images_part_2", "a.jpg")
    write(tmp_path / "HAM10000_metadata.csv", "lesion_id,image_id,dx", "l,a,nv")
    assert read_examples(tmp_path)[0].path.name == "a.jpg"
    flat = draw(tmp_path / "flat", "b.png")
    write(flat / "HAM10000_metadata.csv", "lesion_id,image_id,dx", "l,b,nv")
    assert read_examples(flat)[0].path.name == "b.png"


def test_a_metadata_folder_is_known_by_its_columns(tmp_path: Path) -> None:
    draw(tmp_path / "pad" / "images", "PAT_1.png")
    write(tmp_path / "pad" / "metadata.csv", "patient_id,img_id,diagnostic,fitzpatrick", "PAT_1,PAT_1.png,ACK,3")
    (example,) = read_examples(tmp_path / "pad")
    assert (example.dataset, example.nodes, example.group) == ("pad_ufes_20", ("actinic_keratosis",), "pad_ufes_20:PAT_1")
    assert example.attributes == {"fitzpatrick": "3"}

    draw(tmp_path / "isic" / "images", "I_1.jpg")
    write(tmp_path / "isic" / "metadata.csv", "image_id,melanoma", "I_1,0")
    (example,) = read_examples(tmp_path / "isic")
    assert example.nodes == ("melanocytic_nevus", "seborrheic_keratosis"), "a partial label"
    assert example.group == "isic2017:I_1", "without lesions each image is its own group"


def test_a_folder_of_data_sets_is_read_as_one(tmp_path: Path) -> None:
    release(tmp_path / "ham")
    draw(tmp_path / "pad" / "images", "p.png")
    write(tmp_path / "pad" / "metadata.csv", "patient_id,img_id,diagnostic", "HAM_1,p.png,MEL")
    (tmp_path / "notes").mkdir()
    examples = read_examples(tmp_path)
    assert [example.dataset for example in examples] == ["ham10000"] * 3 + ["pad_ufes_20"]
    assert len({example.group for example in examples}) == 3, "groups of two data sets are never one, whatever their names"


def test_only_one_source_of_pixels_is_taken(tmp_path: Path) -> None:
    for name in ("images_200x150", "images_224"):
        draw(tmp_path / name, "a.jpg")
    write(tmp_path / "metadata.csv", "lesion_id,image_id,dx", "l,a,nv")
    assert read_examples(tmp_path)[0].path.parent.name == "images_200x150"


def test_a_csv_of_ones_own_over_several_folders(tmp_path: Path) -> None:
    folders = [draw(tmp_path / "one", "a.jpg"), draw(tmp_path / "two", "b.PNG", "c.v2.jpeg")]
    table = write(tmp_path / "labels.csv", "file,verdict,patient,site", "a.jpg,MEL,7,arm", "b,NEV,7,", "c.v2,SEK,8,leg")
    examples = read_table(table, folders, "pad_ufes_20", Columns("file", "verdict", "patient"))
    assert [example.path.name for example in examples] == ["a.jpg", "b.PNG", "c.v2.jpeg"]
    assert [example.group for example in examples] == ["pad_ufes_20:7", "pad_ufes_20:7", "pad_ufes_20:8"]
    assert [example.attributes for example in examples] == [{"site": "arm"}, {}, {"site": "leg"}]


def test_two_files_of_one_stem_are_told_apart_by_their_extension(tmp_path: Path) -> None:
    images = draw(tmp_path / "images", "a.jpg", "a.png")
    by_name = write(tmp_path / "names.csv", "image_id,dx", "a.jpg,mel", "a.png,nv")
    examples = read_table(by_name, [images], "ham10000", Columns(group=None))
    assert [example.path.name for example in examples] == ["a.jpg", "a.png"]
    by_stem = write(tmp_path / "stems.csv", "image_id,dx", "a,mel")
    with pytest.raises(DataError, match=r"stems\.csv.*'a'.*a\.jpg.*a\.png"):
        read_table(by_stem, [images], "ham10000", Columns(group=None))


def table_with(tmp_path: Path, *lines: str, images: Sequence[str] = ("a.jpg", "b.jpg")) -> list[Example]:
    folder = draw(tmp_path / "images", *images)
    return read_table(write(tmp_path / "labels.csv", *lines), [folder], "ham10000", Columns("image_id", "dx", "lesion_id"))


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["lesion_id,image_id,dx", "1,a,nv", "2,b,nv", "3,a,mel"], "1 ids occur twice, first 'a'"),
        (["lesion_id,image_id,diagnosis", "1,a,nv"], "no column dx; it has lesion_id, image_id, diagnosis"),
        (["image,diagnosis", "a,nv"], "no column image_id, dx, lesion_id"),
        (["lesion_id,image_id,dx", "1,a,nv", "2,x,nv", "3,y,nv"], "2 of 3 images are not in the folder, first .'x', 'y'"),
        (["lesion_id,image_id,dx", "1,a,nv", "2,a.jpg,mel"], "1 images are named by two ids, first .'a.jpg'"),
        (["lesion_id,image_id,dx", "1,other/a.jpg,nv"], "1 of 1 images are not in the folder, first .'other/a.jpg'"),
        (["lesion_id,image_id,dx"], "no rows"),
        ([], "not a readable CSV"),
        (["dx,lesion_id,image_id", "nv,1,a", "nv,1,"], "1 of 2 images are not in the folder, first .''"),
        (["image_id,dx,lesion_id", "a,nv,1", "b,nv"], "line 3 has 2 of 3 cells"),
        (["image_id;dx;lesion_id", "a;nv;1"], "separated by semicolons, not by commas; export it as .csv with commas"),
        (["image_id\tdx\tlesion_id", "a\tnv, naevus\t1"], "separated by tabs, not by commas"),
    ],
)
def test_a_faulty_table_is_refused_by_name_and_reason(tmp_path: Path, lines: list[str], reason: str) -> None:
    with pytest.raises(DataError, match=rf"labels\.csv.*{reason}"):
        table_with(tmp_path, *lines)


@pytest.mark.parametrize("name", ["labels.tab", "labels.tsv"])
def test_a_table_with_tabs_is_known_by_its_name(name: str, tmp_path: Path) -> None:
    images = draw(tmp_path / "images", "a.jpg")
    tabs = write(tmp_path / name, "image_id\tdx", "a\tnv")
    assert read_table(tabs, [images], "ham10000", Columns(group=None))[0].label == "nv"
    commas = write(tmp_path / name, "image_id,dx", "a,nv")
    with pytest.raises(DataError, match=rf"{name}: its cells are separated by commas, not by tabs"):
        read_table(commas, [images], "ham10000", Columns(group=None))


def test_an_unknown_label_is_named_with_the_known_ones(tmp_path: Path) -> None:
    rows = ("1,a,wart", "2,b,scc", "3,c,mel", "4,d,scc")
    counted = (
        r"labels\.csv: 3 rows have labels that ham10000 does not know: 'scc' \(2\), 'wart' \(1\); it knows akiec, bcc, bkl"
    )
    with pytest.raises(TaxonomyError, match=counted):
        table_with(tmp_path, "lesion_id,image_id,dx", *rows, images=["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    with pytest.raises(TaxonomyError, match=r"labels\.csv: no label map for data set 'clinic'; there are ham10000"):
        read_table(tmp_path / "labels.csv", [tmp_path / "images"], "clinic", Columns())


def test_labels_may_be_nodes_of_the_tree_or_their_names_where_a_data_set_has_no_map(tmp_path: Path) -> None:
    labels = ["melanoma", "Basal Cell Carcinoma", "basal_cell_carcinoma", "common nevus", "Atypical Nevus", "Bowen's disease"]
    table = write(tmp_path / "labels.csv", "image_id,label", *(f"{i},{label}" for i, label in enumerate(labels)))
    images = draw(tmp_path / "images", *(f"{i}.png" for i in range(len(labels))))
    columns = Columns("image_id", "label", None)
    means = ["melanoma", *["basal_cell_carcinoma"] * 2, "melanocytic_nevus", "dysplastic_nevus", "bowen_disease"]
    assert [example.nodes for example in read_table(table, [images], "taxonomy", columns)] == [(node,) for node in means]
    write(table, "image_id,label", "0,actinic keratoses", "1,melanom", "2,nevus", "3,cancer")
    near = r"3 rows have labels that taxonomy does not know: .*; near are 'actinic keratosis', .*'melanoma'"
    with pytest.raises(TaxonomyError, match=near):
        read_table(table, [images], "taxonomy", columns)


def test_of_many_labels_the_first_few_are_named(tmp_path: Path) -> None:
    table = write(tmp_path / "labels.csv", "image_id,label", *(f"{i},x{i}" for i in range(9)))
    images = draw(tmp_path / "images", *(f"{i}.png" for i in range(9)))
    few = r"9 rows .* 'x4' \(1\) and 4 more; it knows .*, drug eruption and \d+ more \(`python -m train taxonomy --dataset fitz"
    with pytest.raises(TaxonomyError, match=few):
        read_table(table, [images], "fitzpatrick17k", Columns("image_id", "label", None))


def test_attributes_that_are_empty_are_left_out(tmp_path: Path) -> None:
    first, second = table_with(tmp_path, "image_id,dx,lesion_id,age", "a,nv,1,50", "", "b,nv,2,")
    assert (first.attributes, second.attributes) == ({"age": "50"}, {})


def test_a_trailing_comma_shifts_no_column(tmp_path: Path) -> None:
    (example,) = table_with(tmp_path, "image_id,dx,lesion_id", "a,nv,1,")
    assert (example.image_id, example.label) == ("a", "nv")


def test_an_id_with_its_folder_and_a_group_that_is_the_image(tmp_path: Path) -> None:
    folder = draw(tmp_path / "images", "a.jpg")
    table = write(tmp_path / "labels.csv", "image_id,dx,age", "images/a.jpg,nv,50")
    (example,) = read_table(table, [folder], "ham10000", Columns(group="image_id"))
    assert (example.group, example.attributes) == ("ham10000:images/a.jpg", {"age": "50"})


def test_numbers_stay_as_they_are_written(tmp_path: Path) -> None:
    (example,) = table_with(tmp_path, "image_id,dx,lesion_id", "007,nv,01", images=["007.jpg"])
    assert (example.image_id, example.group) == ("007", "ham10000:01")


def test_missing_folders_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such data folder"):
        read_examples(tmp_path / "nowhere")
    with pytest.raises(
        DataError,
        match=r"no public release, such as HAM10000_metadata\.csv, nor dataset\.yaml, metadata\.csv or \*\.tar",
    ):
        read_examples(tmp_path)
    with pytest.raises(DataError, match=r"absent\.csv: no such label file"):
        read_table(tmp_path / "absent.csv", [tmp_path], "ham10000", Columns())
    table = write(tmp_path / "labels.csv", "image_id,dx,lesion_id", "a,nv,1")
    with pytest.raises(DataError, match=r"gone: no such image folder"):
        read_table(table, [tmp_path / "gone"], "ham10000", Columns())


def test_a_metadata_file_of_nobodys_columns_or_none_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "metadata.csv", "picture,truth", "a,nv")
    with pytest.raises(DataError, match=r"metadata\.csv: columns of no known data set.*dataset\.yaml.*image_column"):
        read_examples(tmp_path)
    write(tmp_path / "metadata.csv")
    with pytest.raises(DataError, match=r"metadata\.csv: not a readable CSV"):
        read_examples(tmp_path)


def test_the_same_images_in_two_folders_are_refused(tmp_path: Path) -> None:
    release(tmp_path / "ham")
    release(tmp_path / "ham_copy")
    with pytest.raises(DataError, match=r"3 images are in two of its folders, first .'ham10000:ISIC_1'"):
        read_examples(tmp_path)


def test_the_same_images_under_ids_with_and_without_extension_are_refused(tmp_path: Path) -> None:
    release(tmp_path / "ham")
    draw(tmp_path / "other" / "images", "ISIC_1.jpg")
    write(tmp_path / "other" / "metadata.csv", "image_id,melanoma", "ISIC_1.jpg,0")
    with pytest.raises(DataError, match="1 images are in two of its folders"):
        read_examples(tmp_path)


_CELLS = st.sampled_from(["image_id", "dx", "lesion_id", "a", "nv", "", '"', "a.jpg"]) | st.text(max_size=4)
_TABLES = st.lists(st.lists(_CELLS, max_size=4).map(",".join), max_size=5).map(lambda lines: "\n".join(lines).encode())


@settings(max_examples=150)
@given(_TABLES | _TABLES.map(lambda body: b"image_id,dx,lesion_id\n" + body) | st.binary(max_size=40))
def test_any_bytes_are_read_or_refused_by_type(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = draw(Path(name), "a.jpg")
        (folder / "labels.csv").write_bytes(content)
        with contextlib.suppress(DataError, TaxonomyError):
            examples = read_table(folder / "labels.csv", [folder], "ham10000", Columns())
            assert examples
            assert all(example.path.is_file() for example in examples)


def test_the_synthetic_data_set_is_read_whole(synthetic_data: Path) -> None:
    examples = read_examples(synthetic_data)
    assert len(examples) == 7 * 16
    assert len({example.label for example in examples}) == 7
    assert len({example.key for example in examples}) == len(examples)


def test_a_table_of_zeros_and_ones_needs_no_column_of_labels(tmp_path: Path) -> None:
    images = draw(tmp_path / "images", "a.jpg", "b.jpg", "c.jpg")
    header = "image_id,melanoma,seborrheic_keratosis"
    table = write(tmp_path / "isic.csv", header, "a,1.0,0.0", "b,0.0,1.0", "c,0,0")
    columns = Columns(group=None)
    assert [e.label for e in read_table(table, [images], "isic2017", columns)] == ["melanoma", "seborrheic keratosis", "nevus"]
    with pytest.raises(DataError, match="'seborrheic_keratosis' does not say which lesions are melanomas"):
        read_table(table, [images], "isic2017", Columns("image_id", "seborrheic_keratosis", None))
    doubled = write(tmp_path / "t.csv", "image_id,MEL,NV,BCC,AKIEC,BKL,DF,VASC", "a,1,1,0,0,0,0,0")
    with pytest.raises(DataError, match="image 'a' does not mark one of MEL, NV"):
        read_table(doubled, [images], "isic2018", columns)


@pytest.mark.parametrize("folder", ["", "labels"])
def test_official_test_sets_are_named_as_such(folder: str, tmp_path: Path) -> None:
    table = tmp_path / folder / "ISIC2018_Task3_Test_GroundTruth.csv"
    table.parent.mkdir(exist_ok=True)
    table.write_text("image,MEL\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"_GroundTruth\.csv: an official test set.*benchmarks drift --labels"):
        read_examples(tmp_path)


def test_a_workbook_of_ph2_is_named(tmp_path: Path) -> None:
    (tmp_path / "PH2_dataset.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"PH2_dataset\.xlsx: PH2's table is read as PH2_dataset\.txt"):
        read_examples(tmp_path)
