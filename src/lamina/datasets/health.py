"""Small tables of patients from the UCI repository, with names for their columns."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from lamina.datasets.entry import DataSet, RawFile
from lamina.datasets.prepare import table
from lamina.media.files import File, unpacked

COLUMNS = {  # of each file, in its order; the class is put last
    "pima-indians-diabetes.csv":
        "pregnancies glucose pressure skin_fold insulin body_mass_index pedigree age class",
    "breast-cancer-wisconsin.csv":
        "clump_thickness cell_size cell_shape adhesion epithelial_size bare_nuclei chromatin "
        "nucleoli mitoses class",
    "haberman-survival.csv": "age year nodes class",
    "horse-colic.csv":
        "surgery age hospital_number temperature pulse breathing extremities peripheral_pulse "
        "membranes refill pain peristalsis distension tube reflux reflux_ph rectal abdomen "
        "cell_volume protein centesis centesis_protein class surgical_lesion lesion_1 lesion_2 "
        "lesion_3 pathology",
}
ZERO_IS_MISSING = ("glucose", "pressure", "skin_fold", "insulin", "body_mass_index")  # of Pima


def named(files: Mapping[str, Path]) -> dict[str, bytes]:
    """Each file with a header, its class last; "?", and zeros that cannot be, become empty."""
    found = {}
    for file, path in files.items():
        names = COLUMNS[file].split()
        order = [*(name for name in names if name != "class"), "class"]
        rows = [dict(zip(names, row, strict=True)) for row in
                csv.reader(io.StringIO(unpacked(File(path)).decode())) if row]
        found[file] = table([order, *([
            "" if row[name] == "?" or (name in ZERO_IS_MISSING and float(row[name]) == 0)
            else row[name] for name in order] for row in rows)])
    return found


def patients(name: str, what: str, rows: int, file: str, source: str, size: int, digest: str,
             page: str) -> DataSet:
    """One of the tables; source: what its file is called where it can be downloaded."""
    return DataSet(
        name=name, what=what, tasks=("autoencoding", "table-prediction"), examples=rows,
        licence="CC BY 4.0", page=f"https://archive.ics.uci.edu/dataset/{page}",
        forms=((RawFile(name=file, size=size, contents=(f"sha256:{digest}",), urls=(
            f"https://raw.githubusercontent.com/jbrownlee/Datasets/master/{source}",)),),),
        prepare=named, folder="health-tabular")


ALL = (
    patients("pima-diabetes", "who has diabetes; 8 measurements of women, many missing", 768,
             "pima-indians-diabetes.csv", "pima-indians-diabetes.csv", 23_278,
             "6bfe5d0f379d17a0e0819b996407e3c09bf80febd4287f2ed212190dfff154af",
             "34/diabetes"),
    patients("breast-cancer", "which lump is malignant; 9 grades of cells under a microscope", 699,
             "breast-cancer-wisconsin.csv", "breast-cancer-wisconsin.csv", 14_486,
             "9c9dc50e62dbcece16e5707bdec7514f87230d0aa35798b9aaffbc77cf736f1f",
             "15/breast+cancer+wisconsin+original"),
    patients("haberman", "who outlives breast surgery by five years; 3 columns", 306,
             "haberman-survival.csv", "haberman.csv", 3_103,
             "b4b7a32586a5668f9f4d6dc8be9d1bc8cd4822523affb1f6b5bfc350681ef3e2",
             "43/haberman+s+survival"),
    patients("horse-colic", "which horse with colic lives; 27 columns, many cells missing", 300,
             "horse-colic.csv", "horse-colic.csv", 25_151,
             "6ea4b4e9819f56dd021bea06d4a56c711825d0e6e33bc0cfc183f054fc4256d6",
             "47/horse+colic"),
)
