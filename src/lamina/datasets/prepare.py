"""From the files that makers publish to files that tasks read: the same bytes every time.

Each function takes the raw files by their names in the catalogue and gives the new files.
"""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from lamina.datasets.content import members
from lamina.media.files import File, listing, unpacked

ADULT_COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation",
    "relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week",
    "native-country", "income")
COMPAS_COLUMNS = (  # what was known when the score was made, the scores, and the target
    "sex", "age", "race", "juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count",
    "c_charge_degree", "c_charge_desc", "decile_score", "score_text", "v_decile_score",
    "v_score_text", "two_year_recid")
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PARTS = ("train", "validation", "test")
ETT_PARTS = [part for part, months in zip(PARTS, (12, 4, 4)) for _ in range(months * 30 * 24)]
AG_NEWS_TOPICS = ("World", "Sports", "Business", "Sci/Tech")
COCO_GROUPS = (  # the last number of each group of things (Lin et al. 2014)
    ("person", 1), ("vehicle", 9), ("outdoor", 15), ("animal", 25), ("accessory", 33),
    ("sports", 43), ("kitchen", 51), ("food", 61), ("furniture", 71), ("electronic", 77),
    ("appliance", 83), ("indoor", 91))
CIFAR10_RECORD = 1 + 3 * 32 * 32  # bytes: the class, then the red, green and blue planes


def adult(files: Mapping[str, Path]) -> dict[str, bytes]:
    """train.csv and test.csv with a header; "?" becomes an empty cell, "<=50K." loses its dot."""
    return {target: adult_table(unpacked(File(files[source])).decode())
            for source, target in (("adult.data", "train.csv"), ("adult.test", "test.csv"))}


def adult_table(text: str) -> bytes:
    """One part as CSV; a line that begins with | is a comment."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()
            if line.strip() and not line.startswith("|")]
    for row in rows:
        if len(row) != len(ADULT_COLUMNS):
            raise ValueError(f"expected {len(ADULT_COLUMNS)} cells, got {row}")
        row[-1] = row[-1].removesuffix(".")
    return table([ADULT_COLUMNS, *([cell if cell != "?" else "" for cell in row] for row in rows)])


def california(files: Mapping[str, Path]) -> dict[str, bytes]:
    """housing.csv with median_house_value, the target, as the last column."""
    text = unpacked(File(files["housing.csv"])).decode()
    header, *rows = csv.reader(io.StringIO(text))
    target = header.index("median_house_value")
    return {"housing.csv": table([[*row[:target], *row[target + 1 :], row[target]]
                                  for row in (header, *rows)])}


def compas(files: Mapping[str, Path]) -> dict[str, bytes]:
    """compas.csv: names of people, and what only the two years after the score told, left out."""
    text = unpacked(File(files["compas-scores-two-years.csv"])).decode()
    return {"compas.csv": compas_table(text, COMPAS_COLUMNS)}


def compas_table(text: str, columns: Sequence[str]) -> bytes:
    """Those columns as CSV; the published file repeats two of them under the same name."""
    header, *rows = csv.reader(io.StringIO(text))
    places = [header.index(name) for name in columns]
    return table([[row[place] for place in places] for row in (header, *rows)])


def movie_reviews(files: Mapping[str, Path]) -> dict[str, bytes]:
    """reviews.csv: the sentences of rt-polarity.neg and .pos, which are in Latin-1."""
    rows = [(line.strip(), label) for ending, label in (("neg", "negative"), ("pos", "positive"))
            for line in unpacked(File(files[f"rt-polarity.{ending}"])).decode("latin-1").split("\n")
            if line.strip()]
    return {"reviews.csv": table([("text", "label"), *rows])}


def sst2(files: Mapping[str, Path]) -> dict[str, bytes]:
    """train.csv, dev.csv and test.csv: sentences with labels instead of 0 and 1."""
    names = {"0": "negative", "1": "positive"}
    found = {}
    for part in ("train", "dev", "test"):
        lines = unpacked(File(files[f"{part}.tsv"])).decode().splitlines()
        rows = [line.rsplit("\t", 1) for line in lines]
        found[f"{part}.csv"] = table([("text", "label"),
                                      *((text, names[label]) for text, label in rows)])
    return found


def ag_news(files: Mapping[str, Path]) -> dict[str, bytes]:
    """news.csv: title and text of each article as one, with its topic."""
    rows = csv.reader(io.StringIO(unpacked(File(files["test.csv"])).decode()))
    return {"news.csv": table([("text", "label"), *(
        (f"{title}. {text}".replace("\\", " "), AG_NEWS_TOPICS[int(topic) - 1])
        for topic, title, text in rows)])}


def table(rows: list) -> bytes:
    """The rows as CSV."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()


def transformer(files: Mapping[str, Path]) -> dict[str, bytes]:
    """The first 20 months with the parts that papers use since Zhou et al. 2021: 12, 4 and 4."""
    found = {}
    for name, path in files.items():
        header, *rows = csv.reader(io.StringIO(unpacked(File(path)).decode()))
        found[name] = table([[*header, "split"], *(
            [*row, part] for row, part in zip(rows, ETT_PARTS, strict=False))])
    return found


def m4_hourly(files: Mapping[str, Path]) -> dict[str, bytes]:
    """One row a value: series, step, value and split. The test part is the competition's; the
    last two days before it are the validation part.
    """
    past, future = ({row[0]: [cell for cell in row[1:] if cell] for row in csv.reader(io.StringIO(
        unpacked(File(files[f"Hourly-{part}.csv"])).decode()))} for part in ("train", "test"))
    rows = [["series", "step", "value", "split"]]
    for name in list(past)[1:]:  # the first row is the header
        whole = [*past[name], *future[name]]
        ends = len(whole) - 2 * len(future[name]), len(past[name])
        rows += [[name, step, value, PARTS[(step >= ends[0]) + (step >= ends[1])]]
                 for step, value in enumerate(whole)]
    return {"hourly.csv": table(rows)}


def wikitext(files: Mapping[str, Path]) -> dict[str, bytes]:
    """train.txt, validation.txt and test.txt, from the three token files or the zip of them."""
    if "wikitext-2-v1.zip" in files:
        read = inside(files["wikitext-2-v1.zip"], ".tokens")
    else:
        read = {name: unpacked(File(path)) for name, path in files.items()}
    return {f"{part}.txt": read[f"wiki.{short}.tokens"]
            for part, short in (("train", "train"), ("validation", "valid"), ("test", "test"))}


def coco_masks(files: Mapping[str, Path]) -> dict[str, bytes]:
    """coco.zip: images/, masks/ and classes.txt; 0 is stuff, 255 what nobody labelled."""
    import numpy

    from lamina.media import image, masks

    names = ["stuff", *(name for name, _ in COCO_GROUPS)]
    ends = numpy.array([end for _, end in COCO_GROUPS])
    table = (numpy.searchsorted(ends, numpy.arange(256)) + 1) % len(names)  # above 91: stuff
    table[0] = masks.VOID
    found = {"classes.txt": "\n".join(names).encode()}
    files_of = {file.name: file for file in listing(files["coco_mini_half.zip"])}
    for name, file in files_of.items():
        if name.startswith("semantic_masks/"):
            stem = PurePosixPath(name).stem
            found[f"masks/{stem}.png"] = masks.png(table[image.indices(file)])
            photo = name.replace("semantic_masks", "images").replace(".png", ".jpg")
            found[f"images/{stem}.jpg"] = files_of[photo].read()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, data in sorted(found.items()):
            packed.writestr(zipfile.ZipInfo(name), data)
    return {"coco.zip": buffer.getvalue()}


def cifar10(files: Mapping[str, Path]) -> dict[str, bytes]:
    """cifar10.npz: train_images, train_labels, test_images, test_labels; labels are names.

    Images are uint8 (example, 32, 32, 3).
    """
    import numpy

    read = inside(files["cifar-10-binary.tar.gz"], ".bin")
    parts = {"train": [f"data_batch_{number}.bin" for number in range(1, 6)],
             "test": ["test_batch.bin"]}
    arrays = {}
    for part, names in parts.items():
        data = b"".join(read[name] for name in names)
        records = numpy.frombuffer(data, numpy.uint8).reshape(-1, CIFAR10_RECORD)
        planes = records[:, 1:].reshape(-1, 3, 32, 32)
        arrays[f"{part}_images"] = planes.transpose(0, 2, 3, 1)
        arrays[f"{part}_labels"] = numpy.array(CIFAR10_CLASSES)[records[:, 0]]
    buffer = io.BytesIO()
    numpy.savez(buffer, **arrays)
    return {"cifar10.npz": buffer.getvalue()}


def inside(archive: Path, suffix: str) -> dict[str, bytes]:
    """The files of an archive that end so, by their names without folders."""
    return {PurePosixPath(name).name: stream.read() for name, stream in members(archive)
            if name.endswith(suffix)}
