"""Labels that match images, and every way in which they do not."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.labelled import LabelledImage, LabelledSet, Truth, draw, fingerprint, read_labelled
from mobile_runtime.errors import DataError, TaxonomyError, name_few
from mobile_runtime.taxonomy import HAM10000_CLASSES


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five files, two of them in sub-folders; that they differ is all that is read of them here."""
    folder = tmp_path / "photos"
    for name in ("a.jpg", "b.JPEG", "left/c.png", "left/deep/d.webp", "v1.2.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")
    (folder / "notes.txt").touch()
    return folder


def table(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_ids_match_with_and_without_extension_and_folder(photos: Path, tmp_path: Path) -> None:
    labels = table(tmp_path, "image_id,dx\na.jpg,mel\nb,nv\nleft/c,bcc\nd,akiec\nv1.2,df\n")
    found = read_labelled(photos, labels)
    names = [image.path.relative_to(photos).as_posix() for image in found.images]
    assert names == ["a.jpg", "b.JPEG", "left/c.png", "left/deep/d.webp", "v1.2.jpg"]
    assert [image.malignant for image in found.images] == [True, False, True, True, False]
    assert found.images[0].nodes == ("melanoma",)
    assert found.images[0].class_index == HAM10000_CLASSES.index("melanoma")
    assert found.missing == found.unlabelled == ()


def test_partial_labels_leave_the_class_open(photos: Path, tmp_path: Path) -> None:
    labels = table(tmp_path, "image_id,melanoma\na,0\nb,1\n")
    found = read_labelled(photos, labels, label_column="melanoma", dataset="isic2017")
    assert [image.malignant for image in found.images] == [False, True]
    assert [image.class_index for image in found.images] == [None, HAM10000_CLASSES.index("melanoma")]


def test_a_column_of_zeros_and_ones_for_each_label_is_read(photos: Path, tmp_path: Path) -> None:
    header = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n"
    text = header + "a,1.0,0.0,0.0,0.0,0.0,0.0,0.0\nb,0,1,0,0,0,0,0\n"
    found = read_labelled(photos, table(tmp_path, text), image_column="image", dataset="isic2018")
    assert [image.label for image in found.images] == ["MEL", "NV"]
    assert [image.malignant for image in found.images] == [True, False]
    for cells in ("0,0,0,0,0,0,0", "1,1,0,0,0,0,0", "1,0,0,0,0,0,?"):
        with pytest.raises(DataError, match=r"image 'a' does not mark one of MEL, NV, .* with 1"):
            read_labelled(photos, table(tmp_path, f"{header}a,{cells}\n"), image_column="image", dataset="isic2018")
    with pytest.raises(DataError, match="no column 'dx'; it has image, MEL"):
        read_labelled(photos, table(tmp_path, text), image_column="image", dataset="isic2019")


def test_publishers_columns_are_known(photos: Path, tmp_path: Path) -> None:
    pad = table(tmp_path, "patient_id,lesion_id,img_id,diagnostic\nP1,7,a.jpg,MEL\nP2,8,b.png,SEK\n")
    found = read_labelled(photos, pad, dataset="pad_ufes_20")
    assert [(image.image_id, image.label) for image in found.images] == [("a.jpg", "MEL"), ("b.png", "SEK")]
    with pytest.raises(DataError, match=r"no column 'image_id', 'dx'; .* with --dataset whose labels .* those of ham10000"):
        read_labelled(photos, pad)
    with pytest.raises(DataError, match="no column 'image'"):  # one that was asked for is not replaced
        read_labelled(photos, pad, image_column="image", dataset="pad_ufes_20")
    with pytest.raises(DataError, match="no column 'dx' or 'diagnostic'; it has img_id, label"):
        read_labelled(photos, table(tmp_path, "img_id,label\na,MEL\n"), dataset="pad_ufes_20")
    one_hot = table(tmp_path, "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC,label\na,1,0,0,0,0,0,0,x\n")
    assert [image.label for image in read_labelled(photos, one_hot, dataset="isic2018").images] == ["MEL"]


def test_the_two_columns_of_isic_2017_are_read(photos: Path, tmp_path: Path) -> None:
    text = "image_id,melanoma,seborrheic_keratosis\na,1.0,0.0\nb,0.0,1.0\nleft/c,0.0,0.0\n"
    found = read_labelled(photos, table(tmp_path, text), dataset="isic2017")
    assert [image.label for image in found.images] == ["melanoma", "seborrheic keratosis", "nevus"]
    assert [image.malignant for image in found.images] == [True, False, False]
    found = read_labelled(photos, table(tmp_path, text), label_column="melanoma", dataset="isic2017")
    assert [image.malignant for image in found.images] == [True, False, False]
    with pytest.raises(DataError, match="'seborrheic_keratosis' does not say which lesions are melanomas"):
        read_labelled(photos, table(tmp_path, text), label_column="seborrheic_keratosis", dataset="isic2017")
    with pytest.raises(DataError, match="image 'a' does not mark at most one of melanoma, seborrheic_keratosis"):
        read_labelled(photos, table(tmp_path, text.replace("a,1.0,0.0", "a,1.0,1.0")), dataset="isic2017")


def test_a_label_may_leave_open_which_of_several_it_is(photos: Path, tmp_path: Path) -> None:
    text = "image_id,label\na,Melanoma | Melanocytic Nevus\nb,Eczema | Acne\nc,Melanoma\n"
    found = read_labelled(photos, table(tmp_path, text), label_column="label", dataset="scin")
    assert [image.malignant for image in found.images] == [None, False, True]
    assert [image.class_index for image in found.images] == [None, None, HAM10000_CLASSES.index("melanoma")]
    assert found.images[0].nodes == ("melanoma", "melanocytic_nevus")
    with pytest.raises(TaxonomyError, match="1 rows have labels that scin does not know: 'corn'"):
        read_labelled(photos, table(tmp_path, "image_id,label\na,Acne | corn\n"), label_column="label", dataset="scin")


def test_a_node_that_several_classes_cover_is_not_a_class(photos: Path, tmp_path: Path) -> None:
    labels = table(tmp_path, "image_id,diagnostic\na,SCC\nb,ACK\n")
    found = read_labelled(photos, labels, label_column="diagnostic", dataset="pad_ufes_20")
    assert [image.class_index for image in found.images] == [None, HAM10000_CLASSES.index("premalignant_epidermal")]


@pytest.mark.parametrize(
    ("header", "asked", "column"),
    [
        ("image_id,dx,lesion_id,patient_id", None, "patient_id"),
        ("image_id,dx,lesion_id,site", None, "lesion_id"),
        ("image_id,dx,lesion_id,site", "site", "site"),
        ("image_id,dx,group,site", None, "group"),
        ("image_id,dx,sex,site", None, None),
    ],
)
def test_groups_come_from_the_widest_column(
    photos: Path, tmp_path: Path, header: str, asked: str | None, column: str | None
) -> None:
    labels = table(tmp_path, f"{header}\na,mel,L1,P1\nb,nv,L1,P2\nc,nv,L2,\n")
    found = read_labelled(photos, labels, group_column=asked)
    assert found.group_column == column
    numbers = Truth.of(found).groups
    assert len(set(numbers.tolist())) == (2 if column in ("lesion_id", "group") else 3)


def test_a_blank_group_column_does_not_hide_the_other(photos: Path, tmp_path: Path) -> None:
    rows = "a,mel,L1,{0}\nb,nv,L1,{0}\nc,nv,L2,\nd,nv,L2,\n"
    for patient, column, groups in (("", "lesion_id", 2), ("P1", "patient_id", 2)):
        found = read_labelled(photos, table(tmp_path, "image_id,dx,lesion_id,patient_id\n" + rows.format(patient)))
        assert found.group_column == column
        assert len(set(Truth.of(found).groups.tolist())) == groups
    same_number = read_labelled(photos, table(tmp_path, "image_id,dx,lesion_id,patient_id\na,mel,7,\nb,nv,1,7\n"))
    assert len(set(Truth.of(same_number).groups.tolist())) == 2


@pytest.mark.parametrize(
    "text",
    [",image_id,dx\n0,a,mel\n1,b,nv\n", "image_id,dx,\na,mel,\nb,nv,\n", "image_id,dx\na,mel\n   \nb,nv\n\n"],
    ids=["an index", "trailing commas", "blank lines"],
)
def test_unnamed_columns_and_blank_lines_say_nothing(photos: Path, tmp_path: Path, text: str) -> None:
    assert [image.label for image in read_labelled(photos, table(tmp_path, text)).images] == ["mel", "nv"]


def test_truth_keeps_open_labels_apart() -> None:
    facts = [(True, 0, "x"), (False, 1, "x"), (None, None, "y")]
    images = [LabelledImage(str(i), Path(), "", (), m, c, g) for i, (m, c, g) in enumerate(facts)]
    truth = Truth.of(LabelledSet(tuple(images), "test"))
    assert truth.decided.tolist() == [True, True, False]
    assert truth.malignant.tolist() == [True, False, False]
    assert truth.classes.tolist() == [0, 1, -1]
    assert truth.exact.tolist() == [True, True, False]
    assert np.array_equal(truth.groups, [0, 0, 1])


def test_images_without_a_row_are_listed(photos: Path, tmp_path: Path) -> None:
    found = read_labelled(photos, table(tmp_path, "image_id,dx\na,mel\n"))
    assert found.unlabelled == ("b.JPEG", "left/c.png", "left/deep/d.webp", "v1.2.jpg")


def test_long_lists_say_how_many_more() -> None:
    assert name_few(["a", "b"]) == "a, b"
    assert name_few(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_rows_without_an_image_are_an_error_that_lists_both_sides(photos: Path, tmp_path: Path) -> None:
    labels = table(tmp_path, "image_id,dx\na,mel\nx1,nv\nx2,nv\n")
    with pytest.raises(DataError, match=r"2 of 3 rows .*x1, x2; 4 images without a row: b\.JPEG.*--allow-missing"):
        read_labelled(photos, labels)
    found = read_labelled(photos, labels, allow_missing=True)
    assert found.missing == ("x1", "x2") and len(found) == 1


def test_pictures_of_a_format_that_is_not_read_are_told_from_missing_ones(photos: Path, tmp_path: Path) -> None:
    for name in ("x1.tif", "left/x2.GIF"):
        (photos / name).touch()
    both = "image_id,dx\na,mel\nx1.tif,nv\nleft/x2,nv\n"
    with pytest.raises(DataError, match=r"2 are there as \.gif, \.tif, which is not read: convert them to JPEG or PNG$"):
        read_labelled(photos, table(tmp_path, both))
    with pytest.raises(DataError, match=r"1 are there as \.tif, .*for the others, pass --allow-missing"):
        read_labelled(photos, table(tmp_path, "image_id,dx\na,mel\nx1,nv\nx3,nv\n"))
    (photos / "x1.jpg").touch()  # converted, under the id that the table has
    (photos / "left/x2.png").touch()
    assert len(read_labelled(photos, table(tmp_path, both))) == 3
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.tif").touch()
    with pytest.raises(DataError, match=r"those there as \.tif are not read, convert them"):
        read_labelled(tmp_path / "scans", table(tmp_path, both))


def test_photographs_of_a_phone_are_found(photos: Path, tmp_path: Path) -> None:
    (photos / "IMG_0001.HEIC").touch()
    found = read_labelled(photos, table(tmp_path, "image_id,dx\nIMG_0001,mel\n"))
    assert found.images[0].path == photos / "IMG_0001.HEIC"


def test_no_row_with_an_image_is_an_error_even_when_missing_is_allowed(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="check --images and --image-column"):
        read_labelled(photos, table(tmp_path, "image_id,dx\nx,mel\n"), allow_missing=True)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no column 'image_id', 'dx'; it has no header"),
        ("image_id,dx\n", "no rows"),
        ("image_id;dx\na;mel\n", "semicolons, not commas, separate its cells; save it as a CSV with commas"),
        ("image_id\tdx\na\tmel\n", "tabs, not commas, separate its cells"),
        ("id,dx\na,mel\n", "no column 'image_id'; it has id, dx; name yours with --image-column"),
        ("image_id,label\na,mel\n", "no column 'dx'"),
        ("image_id,dx,dx\na,mel,nv\n", "columns have the same name: dx; rename them"),
        ("image_id,dx\na,mel\na,nv\n", "1 ids occur more than once: a"),
        ("image_id,dx\na,mel\na.jpg,mel\n", "1 images are named by two ids: a.jpg"),
        ("image_id,dx\na,mel,x\n", "line 2 has not 2 fields"),
        ("image_id,dx\na,mel\nb\n", "line 3 has not 2 fields"),
        ("image_id,dx\n,mel\n", "1 rows have nothing in column 'image_id'"),
    ],
)
def test_bad_tables_name_file_and_remedy(photos: Path, tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(DataError) as caught:
        read_labelled(photos, table(tmp_path, text))
    assert complaint in str(caught.value) and "labels.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_no_text_is_an_error(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"\xff\xfe\x00\x01,dx\n")
    with pytest.raises(DataError, match="not a readable CSV"):
        read_labelled(photos, path)


def test_a_byte_order_mark_is_no_part_of_the_header(photos: Path, tmp_path: Path) -> None:
    assert len(read_labelled(photos, table(tmp_path, "\ufeffimage_id,dx\na,mel\n"))) == 1


def test_unknown_labels_are_all_named(photos: Path, tmp_path: Path) -> None:
    labels = table(tmp_path, "image_id,dx\na,mel\nb,wart\nc,wart\nd,corn\n")
    with pytest.raises(TaxonomyError, match=r"labels.csv: 3 rows .*'wart' \(2\), 'corn' \(1\); it knows akiec.*--label-column"):
        read_labelled(photos, labels)
    with pytest.raises(TaxonomyError, match="no label map for data set 'unknown'; there are ham10000"):
        read_labelled(photos, labels, dataset="unknown")


def test_an_id_that_fits_two_files_is_an_error(photos: Path, tmp_path: Path) -> None:
    (photos / "left" / "a.jpg").touch()
    with pytest.raises(DataError, match=r"'a' is there 2 times \(a.jpg, left/a.jpg\)"):
        read_labelled(photos, table(tmp_path, "image_id,dx\na,mel\n"))
    found = read_labelled(photos, table(tmp_path, "image_id,dx\nleft/a.jpg,mel\na.jpg,nv\n"))
    assert [image.path for image in found.images] == [photos / "left" / "a.jpg", photos / "a.jpg"]


def test_missing_files_and_folders(photos: Path, tmp_path: Path) -> None:
    labels = table(tmp_path, "image_id,dx\na,mel\n")
    with pytest.raises(DataError, match="no such label file"):
        read_labelled(photos, tmp_path / "none.csv")
    with pytest.raises(DataError, match="no such image folder"):
        read_labelled(tmp_path / "none", labels)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no JPEG, PNG, WebP, HEIC or BMP files here or below; check --images"):
        read_labelled(tmp_path / "empty", labels)


def test_ids_of_windows_and_linked_folders_are_found(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "e.jpg").touch()
    (photos / "linked").symlink_to(tmp_path / "more")
    (photos / "left" / "round").symlink_to(photos)
    found = read_labelled(photos, table(tmp_path, "image_id,dx\nleft\\deep\\d.webp,mel\nleft\\c,nv\nlinked/e.jpg,nv\n"))
    names = [image.path.relative_to(photos).as_posix() for image in found.images]
    assert names == ["left/deep/d.webp", "left/c.png", "linked/e.jpg"]


@pytest.mark.parametrize(
    ("content", "form"),
    [(b"PK\x03\x04", "an Excel workbook"), ("image_id,dx\nä,nv\n".encode("latin-1"), r"text in another encoding.* line 2\)")],
)
def test_a_table_of_another_form_is_told_by_it(content: bytes, form: str, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(DataError, match=rf"labels\.csv: not a readable CSV but {form}; save it as CSV UTF-8"):
        read_labelled(photos, tmp_path / "labels.csv")


def test_copies_of_a_picture_are_of_one_group_and_one_label(photos: Path, tmp_path: Path) -> None:
    (photos / "b.JPEG").write_bytes((photos / "a.jpg").read_bytes())
    found = read_labelled(photos, table(tmp_path, "image_id,dx,lesion_id\na,mel,L1\nb,mel,L2\nc,mel,L3\n"))
    assert [image.group for image in found.images] == ["L1", "L1", "L3"]
    with pytest.raises(DataError, match="a and b are one picture, labelled 'mel' and 'nv'; take one row out"):
        read_labelled(photos, table(tmp_path, "image_id,dx\na,mel\nb,nv\n"))


def test_lesions_without_a_name_are_not_one(photos: Path, tmp_path: Path) -> None:
    found = read_labelled(photos, table(tmp_path, "image_id,dx,lesion_id\na,mel,NA\nb,mel,unknown\nc,mel,L3\nd,nv,L3\n"))
    assert len(set(Truth.of(found).groups)) == 3
    assert read_labelled(photos, table(tmp_path, "image_id,dx,lesion_id\na,mel,NA\nb,nv,n/a\n")).group_column is None


@pytest.mark.parametrize("row", ["a,unknown,malignant,1", "a,unknown,benign,1", "a,melanoma,malignant,0"])
def test_a_row_that_says_benign_and_malignant_is_refused(row: str, photos: Path, tmp_path: Path) -> None:
    header = "image_name,diagnosis,benign_malignant,target\n"
    right = read_labelled(photos, table(tmp_path, header + "a,unknown,benign,0\nb,melanoma,malignant,1\n"), dataset="isic2020")
    assert [image.malignant for image in right.images] == [False, True]
    with pytest.raises(DataError, match=r"image 'a': .* but its label means (benign|malignant); mend that row"):
        read_labelled(photos, table(tmp_path, header + row + "\n"), dataset="isic2020")


def test_excels_line_before_the_header_is_named(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="its first line is 'sep=', Excel's"):
        read_labelled(photos, table(tmp_path, "sep=,\nimage_id,dx\na,mel\n"))


def test_a_draw_says_which_pictures_it_was_drawn_from(photos: Path, tmp_path: Path) -> None:
    everything = read_labelled(photos, table(tmp_path, "image_id,dx\na.jpg,mel\nb,nv\nleft/c,bcc\nd,akiec\n"))
    few = draw(everything, 2, np.random.default_rng(0))
    assert len(few) == 2 and few.drawn_from == fingerprint(everything)
    assert draw(everything, 4, np.random.default_rng(0)) == everything and everything.drawn_from is None
    # The same table beside another file of one name: the draw may even be of the same images.
    (photos / "a.jpg").write_text("another", encoding="utf-8")
    assert draw(everything, 2, np.random.default_rng(0)).drawn_from != few.drawn_from


def test_archives_and_arrays_are_no_workbooks(photos: Path, tmp_path: Path) -> None:
    for name, said in (("xl/workbook.xml", "an Excel workbook"), ("a.npy", "train data extract"), ("a.csv", "unpack it")):
        with zipfile.ZipFile(tmp_path / "labels.zip", "w") as archive:
            archive.writestr(name, "x")
        with pytest.raises(DataError, match=said):
            read_labelled(photos, tmp_path / "labels.zip")


def test_a_column_whose_name_breaks_lines_is_shown_on_one(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"it has id \(1\), kind; name yours with --image-column"):
        read_labelled(photos, table(tmp_path, '"id\n(1)",kind\na,b\n'))


def test_what_a_mac_leaves_beside_a_file_is_no_image(photos: Path, tmp_path: Path) -> None:
    (photos / "._a.jpg").write_bytes(b"x")
    found = read_labelled(photos, table(tmp_path, "image_id,dx\na,mel\nb,nv\n"))
    assert not any(name.startswith(".") for name in found.unlabelled)
