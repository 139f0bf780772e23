"""The public releases: miniatures with their publishers' file and column names, and what can be wrong with each."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mobile_runtime.errors import DataError, TaxonomyError
from tests.train.factories import draw, write
from train.datasets import read_examples
from train.subgroups import subgroup_values


def ham10000(root: Path) -> Path:
    draw(root / "HAM10000_images_part_1", "ISIC_0027419.jpg", "ISIC_0025030.jpg")
    draw(root / "HAM10000_images_part_2", "ISIC_0031633.jpg")
    write(
        root / "HAM10000_metadata",
        "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset",
        "HAM_0000118,ISIC_0027419,bkl,histo,80.0,male,scalp,vidir_modern",
        "HAM_0000118,ISIC_0025030,bkl,histo,80.0,male,scalp,vidir_modern",
        "HAM_0002761,ISIC_0031633,mel,histo,,female,unknown,rosendahl",
    )
    return root


def ham10000_tab(root: Path) -> Path:
    """As Dataverse serves the table unless it is asked for the original: tab-separated and quoted."""
    ham10000(root)
    text = (root / "HAM10000_metadata").read_text(encoding="utf-8")
    (root / "HAM10000_metadata").unlink()
    write(root / "HAM10000_metadata.tab", *("\t".join(f'"{c}"' for c in line.split(",")) for line in text.splitlines()))
    return root


def isic2017(root: Path) -> Path:
    draw(root / "ISIC-2017_Training_Data", "ISIC_0000000.jpg", "ISIC_0000002.jpg", "ISIC_0000095.jpg")
    draw(root / "ISIC-2017_Training_Data", "ISIC_0000000_superpixels.png")
    write(
        root / "ISIC-2017_Training_Part3_GroundTruth.csv",
        "image_id,melanoma,seborrheic_keratosis",
        "ISIC_0000000,0.0,0.0",
        "ISIC_0000002,1.0,0.0",
        "ISIC_0000095,0.0,1.0",
    )
    write(
        root / "ISIC-2017_Training_Data" / "ISIC-2017_Training_Data_metadata.csv",
        "image_id,age_approximate,sex",
        "ISIC_0000000,55,female",
        "ISIC_0000002,60,female",
        "ISIC_0000095,unknown,male",
    )
    return root


def isic2018(root: Path) -> Path:
    draw(root / "ISIC2018_Task3_Training_Input", "ISIC_0024306.jpg", "ISIC_0024307.jpg", "ISIC_0024308.jpg")
    write(
        root / "ISIC2018_Task3_Training_GroundTruth" / "ISIC2018_Task3_Training_GroundTruth.csv",
        "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC",
        "ISIC_0024306,0.0,1.0,0.0,0.0,0.0,0.0,0.0",
        "ISIC_0024307,0.0,1.0,0.0,0.0,0.0,0.0,0.0",
        "ISIC_0024308,0.0,0.0,0.0,1.0,0.0,0.0,0.0",
    )
    write(
        root / "ISIC2018_Task3_Training_LesionGroupings.csv",
        "image,lesion_id,diagnosis_confirm_type",
        "ISIC_0024308,HAM_0000484,histopathology",
        "ISIC_0024307,HAM_0000550,single image expert consensus",
        "ISIC_0024306,HAM_0000550,serial imaging showing no change",
    )
    return root


def isic2019(root: Path) -> Path:
    names = ("ISIC_0000000.jpg", "ISIC_0000001.jpg", "ISIC_0053463_downsampled.jpg", "ISIC_0053464.jpg")
    draw(root / "ISIC_2019_Training_Input" / "ISIC_2019_Training_Input", *names)
    write(
        root / "ISIC_2019_Training_GroundTruth.csv",
        "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK",
        "ISIC_0000000,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0",
        "ISIC_0000001,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0",
        "ISIC_0053463_downsampled,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0",
        "ISIC_0053464,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0",
    )
    write(
        root / "ISIC_2019_Training_Metadata.csv",
        "image,age_approx,anatom_site_general,lesion_id,sex",
        "ISIC_0000000,55.0,anterior torso,,female",
        "ISIC_0000001,30.0,anterior torso,,female",
        "ISIC_0053463_downsampled,,,BCN_0003925,",
        "ISIC_0053464,70.0,head/neck,BCN_0003925,male",
    )
    return root


def isic2020(root: Path) -> Path:
    draw(root / "train", "ISIC_2637011.jpg", "ISIC_0015719.jpg", "ISIC_0052212.jpg")
    write(
        root / "ISIC_2020_Training_GroundTruth_v2.csv",
        "image_name,patient_id,lesion_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target",
        "ISIC_2637011,IP_7279968,IL_7972535,male,45.0,head/neck,unknown,benign,0",
        "ISIC_0015719,IP_3075186,IL_4649854,female,45.0,upper extremity,melanoma,malignant,1",
        "ISIC_0052212,IP_7279968,IL_9087444,male,50.0,lower extremity,nevus,benign,0",
    )
    return root


def pad_ufes_20(root: Path) -> Path:
    draw(root / "images" / "imgs_part_1" / "imgs_part_1", "PAT_1516_1765_530.png")
    draw(root / "images" / "imgs_part_2" / "imgs_part_2", "PAT_46_881_939.png", "PAT_46_881_14.png")
    draw(root / "images" / "imgs_part_3", "PAT_1545_1867_547.png")
    header = (
        "patient_id,lesion_id,smoke,drink,background_father,background_mother,age,pesticide,gender,skin_cancer_history,"
        "cancer_history,has_piped_water,has_sewage_system,fitspatrick,region,diameter_1,diameter_2,diagnostic,itch,grew,hurt,"
        "changed,bleed,elevation,img_id,biopsed"
    )
    write(
        root / "metadata.csv",
        header,
        "PAT_1516,1765,,,,,8,,,,,,,,ARM,,,NEV,False,False,False,False,False,False,PAT_1516_1765_530.png,False",
        "PAT_46,881,False,False,POMERANIA,POMERANIA,55,False,FEMALE,True,True,True,True,3.0,NECK,6.0,5.0,BCC,"
        "True,True,False,True,True,True,PAT_46_881_939.png,True",
        "PAT_46,881,False,False,POMERANIA,POMERANIA,55,False,FEMALE,True,True,True,True,3.0,NECK,6.0,5.0,BCC,"
        "True,True,False,True,True,True,PAT_46_881_14.png,True",
        "PAT_1545,1867,,,,,77,,,,,,,,FACE,,,ACK,True,False,False,False,False,False,PAT_1545_1867_547.png,False",
    )
    return root


def fitzpatrick17k(root: Path) -> Path:
    draw(root / "images", "5e82a45bc5d78bd24ae9202d194423f8.jpg", "b87804452f60aa162a6d29c0f66a2466.jpg")
    write(
        root / "fitzpatrick17k.csv",
        "md5hash,fitzpatrick_scale,fitzpatrick_centaur,label,nine_partition_label,three_partition_label,qc,url,url_alphanum",
        "5e82a45bc5d78bd24ae9202d194423f8,3,3,drug induced pigmentary changes,inflammatory,non-neoplastic,,https://a/1.jpg,a1.jpg",
        "b87804452f60aa162a6d29c0f66a2466,-1,1,melanoma,malignant melanoma,malignant,1 Diagnostic,https://a/2.jpg,a2.jpg",
    )
    return root


def ddi(root: Path) -> Path:
    draw(root / "images", "000001.png", "000002.png")
    write(
        root / "ddi_metadata.csv",
        ",DDI_ID,DDI_file,skin_tone,malignant,disease",
        "0,1,000001.png,56,True,melanoma-in-situ",
        "1,2,000002.png,12,False,mycosis-fungoides",
    )
    return root


def scin(root: Path) -> Path:
    draw(root / "dataset" / "images", "-1.png", "-2.png", "3.png", "4.png", "5.png", "6.png")
    write(
        root / "dataset" / "scin_cases.csv",
        "case_id,source,release,year,age_group,sex_at_birth,fitzpatrick_skin_type,body_parts_arm,body_parts_back_of_hand,"
        "image_1_path,image_2_path,image_3_path",
        "-10,SCIN,1.0.0,2023,AGE_30_TO_39,FEMALE,FST5,YES,YES,dataset/images/-1.png,dataset/images/-2.png,",
        "11,SCIN,1.0.0,2023,AGE_80_OR_ABOVE,OTHER_OR_UNSPECIFIED,NONE_SELECTED,,,dataset/images/3.png,,",
        "12,SCIN,1.0.0,2023,,MALE,FST1,,,dataset/images/4.png,,",
        "13,SCIN,1.0.0,2023,,MALE,FST1,,,dataset/images/5.png,,",
        "14,SCIN,1.0.0,2023,,MALE,FST1,,,dataset/images/6.png,dataset/images/3.png,",
    )
    write(
        root / "dataset" / "scin_labels.csv",
        "case_id,dermatologist_skin_condition_on_label_name,weighted_skin_condition_label",
        "-10,\"['Eczema']\",\"{'Eczema': 0.69, 'Psoriasis': 0.31}\"",
        "11,\"['x']\",\"{'SCC/SCCIS': 0.5, 'Basal Cell Carcinoma': 0.5}\"",
        "12,[],{}",
        "13,['Unheard of'],{'Unheard of': 1.0}",
        "14,['Melanoma'],{'Melanoma': 1.0}",
    )
    return root


def derm7pt(root: Path) -> Path:
    draw(root / "release_v0" / "images" / "NEL", "Nel026.jpg", "NEL025.JPG")
    draw(root / "release_v0" / "images" / "FAL", "Nel026.jpg")
    write(
        root / "release_v0" / "meta" / "meta.csv",
        "case_num,diagnosis,seven_point_score,pigment_network,streaks,pigmentation,regression_structures,dots_and_globules,"
        "blue_whitish_veil,vascular_structures,level_of_diagnostic_difficulty,elevation,location,sex,clinic,derm,case_id,"
        "management,notes",
        "1,basal cell carcinoma,0,absent,absent,absent,absent,absent,absent,arborizing,medium,nodular,abdomen,female,"
        "NEL/NEL025.JPG,NEL/Nel026.jpg,,excision,",
        "2,melanoma (in situ),1,absent,absent,absent,absent,absent,absent,absent,low,flat,back,male,,FAL/Nel026.jpg,7,,",
    )
    return root


RELEASES: dict[str, tuple[Callable[[Path], Path], int, int]] = {
    # miniature, images, groups
    "ham10000": (ham10000, 3, 2),
    "ham10000_tab": (ham10000_tab, 3, 2),
    "isic2017": (isic2017, 3, 3),
    "isic2018": (isic2018, 3, 2),
    "isic2019": (isic2019, 4, 3),
    "isic2020": (isic2020, 3, 2),
    "pad_ufes_20": (pad_ufes_20, 4, 3),
    "fitzpatrick17k": (fitzpatrick17k, 2, 2),
    "ddi": (ddi, 2, 2),
    "scin": (scin, 4, 3),
    "derm7pt": (derm7pt, 3, 2),
}


@pytest.mark.parametrize("name", RELEASES)
def test_a_release_is_known_by_its_files(name: str, tmp_path: Path) -> None:
    miniature, images, groups = RELEASES[name]
    examples = read_examples(miniature(tmp_path))
    assert {example.dataset for example in examples} == {name.removesuffix("_tab")}
    assert (len(examples), len({example.group for example in examples})) == (images, groups)
    assert all(example.path.is_file() for example in examples)
    assert len({example.key for example in examples}) == images


def test_releases_side_by_side_are_read_as_one(tmp_path: Path) -> None:
    chosen = ("ham10000", "isic2020", "pad_ufes_20", "fitzpatrick17k", "ddi", "scin", "derm7pt")
    for name in chosen:
        RELEASES[name][0](tmp_path / name)
    examples = read_examples(tmp_path)
    assert len(examples) == sum(RELEASES[name][1] for name in chosen)
    assert len({example.group for example in examples}) == sum(RELEASES[name][2] for name in chosen)


def by_id(root: Path) -> dict[str, tuple[str, tuple[str, ...], str]]:
    return {e.image_id: (e.label, e.nodes, e.group) for e in read_examples(root)}


def test_one_hot_labels_and_lesions_of_isic_2018_and_2019(tmp_path: Path) -> None:
    found = by_id(isic2018(tmp_path / "2018"))
    assert found["ISIC_0024308"] == ("AKIEC", ("premalignant_epidermal",), "isic2018:HAM_0000484")
    assert found["ISIC_0024306"] == ("NV", ("melanocytic_nevus",), "isic2018:HAM_0000550")
    found = by_id(isic2019(tmp_path / "2019"))
    assert found["ISIC_0053463_downsampled"] == ("SCC", ("squamous_cell_carcinoma",), "isic2019:BCN_0003925")
    assert found["ISIC_0000000"][2] == "isic2019:ISIC_0000000", "lesions without a number are not one lesion"


def test_what_isic_2017_marks_neither_melanoma_nor_seborrheic_keratosis_is_a_nevus(tmp_path: Path) -> None:
    found = by_id(isic2017(tmp_path))
    assert [found[name][1] for name in sorted(found)] == [("melanocytic_nevus",), ("melanoma",), ("seborrheic_keratosis",)]
    edited(table_of(tmp_path, "isic2017"), lambda lines: [*lines[:2], "ISIC_0000002,1.0,1.0", lines[3]])
    with pytest.raises(DataError, match=r"1 rows do not mark one label of melanoma, seborrheic_keratosis.*'ISIC_0000002'"):
        read_examples(tmp_path)
    edited(table_of(tmp_path, "isic2017"), lambda lines: [*lines[:2], "ISIC_0000002,,0.0", lines[3]])
    with pytest.raises(DataError, match="1 rows do not mark one label"):
        read_examples(tmp_path)


def test_isic_2020_is_grouped_by_patient_and_leaves_out_named_copies(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = by_id(isic2020(tmp_path))
    assert found["ISIC_2637011"] == ("unknown", ("benign",), "isic2020:IP_7279968")
    assert found["ISIC_0052212"][2] == "isic2020:IP_7279968"
    write(tmp_path / "ISIC_2020_Training_Duplicates.csv", "image_name_1,image_name_2", "ISIC_2637011,ISIC_0052212")
    assert set(by_id(tmp_path)) == {"ISIC_2637011", "ISIC_0015719"}
    assert "1 copies that ISIC_2020_Training_Duplicates.csv names are left out" in capfd.readouterr().err
    (tmp_path / "ISIC_2020_Training_GroundTruth_v2.csv").rename(tmp_path / "ISIC_2020_Training_GroundTruth.csv")
    assert len(by_id(tmp_path)) == 2


def test_scin_takes_the_weightiest_conditions_and_says_what_it_leaves_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = by_id(scin(tmp_path))
    said = capfd.readouterr().err
    assert "1 cases without a diagnosis and 1 with one outside the label map are left out; these: 'Unheard of' (1)" in said
    assert found["-1.png"] == found["-2.png"] == ("Eczema", ("eczema",), "scin:-10")
    tie = ("basal_cell_carcinoma", "squamous_cell_carcinoma", "bowen_disease")
    assert found["3.png"] == ("Basal Cell Carcinoma | SCC/SCCIS", tie, "scin:11"), "a photograph of two cases counts once"
    assert found["6.png"][0] == "Melanoma"


def test_a_cancer_that_the_label_map_of_scin_lacks_is_named_before_what_is_frequent(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    labels = scin(tmp_path) / "dataset" / "scin_labels.csv"
    edited(labels, lambda lines: [*lines[:3], "12,x,{'Merkel Cell Carcinoma': 1.0}", *lines[4:]])
    by_id(tmp_path)
    said = capfd.readouterr().err
    assert (
        "2 with one outside the label map are left out; cancer by name: 'Merkel Cell Carcinoma' (1); others: 'Unheard" in said
    )


def test_derm7pt_gives_both_pictures_of_a_case_by_their_relative_paths(tmp_path: Path) -> None:
    examples = {e.image_id: e for e in read_examples(derm7pt(tmp_path))}
    assert examples["NEL/Nel026.jpg"].path != examples["FAL/Nel026.jpg"].path
    assert examples["NEL/Nel026.jpg"].group == examples["NEL/NEL025.JPG"].group == "derm7pt:1"
    assert examples["NEL/NEL025.JPG"].attributes["acquisition"] == "photograph"
    assert examples["FAL/Nel026.jpg"].nodes == ("melanoma_in_situ",)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ham10000", {"sex": ["female", "male"], "age": ["", "75+"], "site": ["", "scalp"]}),
        ("isic2017", {"sex": ["female", "male"], "age": ["", "45-59", "60-74"], "acquisition": ["dermoscopy"]}),
        ("isic2018", {"acquisition": ["dermoscopy"]}),
        ("isic2019", {"sex": ["", "female", "male"], "age": ["", "30-44", "45-59", "60-74"]}),
        ("isic2020", {"sex": ["female", "male"], "age": ["45-59"]}),
        ("pad_ufes_20", {"sex": ["", "female"], "site": ["arm", "face", "neck"], "fitzpatrick": ["", "3"]}),
        ("fitzpatrick17k", {"fitzpatrick": ["", "3"], "acquisition": ["photograph"]}),
        ("ddi", {"fitzpatrick": ["12", "56"]}),
        ("scin", {"sex": ["", "female", "male"], "age group": ["", "30-39", "80+"], "fitzpatrick": ["", "1", "5"]}),
        ("derm7pt", {"sex": ["female", "male"], "acquisition": ["dermoscopy", "photograph"]}),
    ],
)
def test_subgroups_are_found_in_every_release(name: str, expected: dict[str, list[str]], tmp_path: Path) -> None:
    found = subgroup_values(read_examples(RELEASES[name][0](tmp_path)))
    assert {attribute: sorted(set(found[attribute])) for attribute in expected} == expected


def test_sites_of_scin_are_those_that_were_ticked(tmp_path: Path) -> None:
    assert read_examples(scin(tmp_path))[0].attributes["site"] == "arm, back of hand"


def table_of(root: Path, name: str) -> Path:
    """The table that holds the ids of a miniature."""
    names = {
        "ham10000": "HAM10000_metadata",
        "ham10000_tab": "HAM10000_metadata.tab",
        "isic2017": "ISIC-2017_Training_Part3_GroundTruth.csv",
        "isic2018": "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv",
        "isic2019": "ISIC_2019_Training_GroundTruth.csv",
        "isic2020": "ISIC_2020_Training_GroundTruth_v2.csv",
        "pad_ufes_20": "metadata.csv",
        "fitzpatrick17k": "fitzpatrick17k.csv",
        "ddi": "ddi_metadata.csv",
        "scin": "dataset/scin_cases.csv",
        "derm7pt": "release_v0/meta/meta.csv",
    }
    return root / names[name]


def edited(table: Path, change: Callable[[list[str]], list[str]]) -> None:
    write(table, *change(table.read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("name", RELEASES)
def test_a_missing_image_is_named(name: str, tmp_path: Path) -> None:
    first = read_examples(RELEASES[name][0](tmp_path))[0]
    first.path.unlink()
    with pytest.raises(DataError, match=r"1 of \d images are not in the folder, first \['.*'\]; restore them") as caught:
        read_examples(tmp_path)
    assert table_of(tmp_path, name).name in str(caught.value)
    assert first.image_id in str(caught.value)


@pytest.mark.parametrize("name", RELEASES)
def test_a_duplicated_id_is_named(name: str, tmp_path: Path) -> None:
    edited(table_of(RELEASES[name][0](tmp_path), name), lambda lines: [*lines, lines[1]])
    with pytest.raises(DataError, match=r"1 ids occur twice, first '.+'; keep one row each"):
        read_examples(tmp_path)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("ham10000", "dx"),
        ("isic2017", "seborrheic_keratosis"),
        ("isic2018", "AKIEC"),
        ("isic2019", "UNK"),
        ("isic2020", "patient_id"),
        ("fitzpatrick17k", "label"),
        ("ddi", "disease"),
        ("scin", "image_2_path"),
        ("derm7pt", "clinic"),
    ],
)
def test_a_missing_column_is_named(name: str, column: str, tmp_path: Path) -> None:
    table = table_of(RELEASES[name][0](tmp_path), name)
    edited(table, lambda lines: [lines[0].replace(column, "other"), *lines[1:]])
    with pytest.raises(DataError, match=rf"{table.name}: no column {column}; it has .*other"):
        read_examples(tmp_path)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("ham10000", "bkl"),
        ("isic2020", "melanoma"),
        ("pad_ufes_20", "NEV"),
        ("fitzpatrick17k", "drug induced pigmentary changes"),
        ("ddi", "melanoma-in-situ"),
        ("derm7pt", "basal cell carcinoma"),
    ],
)
def test_an_unknown_label_is_named(name: str, label: str, tmp_path: Path) -> None:
    table = table_of(RELEASES[name][0](tmp_path), name)
    edited(table, lambda lines: [line.replace(f",{label},", ",sunspot,").replace(f",{label}", ",sunspot") for line in lines])
    with pytest.raises(TaxonomyError, match=rf"[1-9] rows have labels that {name} does not know: 'sunspot'"):
        read_examples(tmp_path)


@pytest.mark.parametrize(
    "marks", ["0.0,0.0,0.0,0.0,0.0,0.0,0.0", "1.0,1.0,0.0,0.0,0.0,0.0,0.0", "0.3,0.7,0.0,0.0,0.0,0.0,0.0", "x,1,,,,,"]
)
def test_a_row_that_marks_not_one_label_is_named(marks: str, tmp_path: Path) -> None:
    edited(table_of(isic2018(tmp_path), "isic2018"), lambda lines: [*lines[:2], f"ISIC_0024307,{marks}", lines[3]])
    with pytest.raises(DataError, match=r"1 rows do not mark one label of MEL, .*VASC, first 'ISIC_0024307'"):
        read_examples(tmp_path)


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("isic2018", "ISIC2018_Task3_Training_LesionGroupings.csv"),
        ("isic2019", "ISIC_2019_Training_Metadata.csv"),
        ("scin", "dataset/scin_labels.csv"),
    ],
)
def test_a_second_table_that_is_missing_or_faulty_is_named(name: str, second: str, tmp_path: Path) -> None:
    other = RELEASES[name][0](tmp_path) / second
    edited(other, lambda lines: [*lines, lines[1]])
    with pytest.raises(DataError, match=rf"{other.name}: 1 ids occur twice"):
        read_examples(tmp_path)
    other.unlink()
    with pytest.raises(DataError, match=rf"{other.name}: no such label file"):
        read_examples(tmp_path)


def test_labels_of_scin_that_are_no_mapping_are_refused(tmp_path: Path) -> None:
    labels = scin(tmp_path) / "dataset" / "scin_labels.csv"
    for cell in ("['Eczema']", "{'Eczema'", "__import__('os').getcwd()", "\"{1: 2, 3: 'a'}\""):
        edited(labels, lambda lines, cell=cell: [lines[0], f"-10,x,{cell}", *lines[2:]])
        with pytest.raises(DataError, match=r"scin_cases\.csv: the label of case '-10' is not a mapping"):
            read_examples(tmp_path)


def test_the_same_picture_in_two_releases_of_the_archive_is_refused(tmp_path: Path) -> None:
    isic2018(tmp_path / "isic2018")
    write(
        tmp_path / "ham10000" / "HAM10000_metadata",
        "lesion_id,image_id,dx",
        "HAM_0000550,ISIC_0024306,nv",
    )
    draw(tmp_path / "ham10000", "ISIC_0024306.jpg")
    with pytest.raises(DataError, match=r"1 images are in two of its folders, first .*ham10000:ISIC_0024306.*ISIC 2018 task 3"):
        read_examples(tmp_path)
    shutil.rmtree(tmp_path / "ham10000")
    assert len(read_examples(tmp_path)) == 3
