"""Miniatures of public releases, file by file as their publishers lay them out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.train.factories import draw, write
from train.datasets import read_examples


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


def ph2(root: Path) -> Path:
    for name in ("IMD003", "IMD058", "IMD417"):
        draw(root / "PH2 Dataset images" / name / f"{name}_Dermoscopic_Image", f"{name}.bmp")
        draw(root / "PH2 Dataset images" / name / f"{name}_lesion", f"{name}_lesion.bmp")
    write(
        root / "PH2_dataset.txt",
        "|| Name ||   Histological Diagnosis    || Clinical Diagnosis || Asymmetry ||  Colors ||",
        "||   IMD003 ||                             ||          0 ||        0 ||       4 ||",
        "||   IMD058 ||  Melanoma (in situ) || 2 || 2 ||  3  6 ||",
        "||   IMD417 || || 1 || 1 || 4 ||",
        "",
        "Legends: ",
        "\tClinical Diagnosis:",
        "\t0 - Common Nevus; 1 - Atypical Nevus; 2 - Melanoma.",
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
    "ph2": (ph2, 3, 3),
}


def by_id(root: Path) -> dict[str, tuple[str, tuple[str, ...], str]]:
    return {e.image_id: (e.label, e.nodes, e.group) for e in read_examples(root)}


def edited(table: Path, change: Callable[[list[str]], list[str]]) -> None:
    write(table, *change(table.read_text(encoding="utf-8").splitlines()))
