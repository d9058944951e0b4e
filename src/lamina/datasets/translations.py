"""The public data sets of texts beside their translations."""

from collections.abc import Mapping
from pathlib import Path

from lamina.datasets.content import members
from lamina.datasets.entry import DataSet, RawFile
from lamina.media.files import File, unpacked

TASKS = ("translation",)
FLICKR = {"train": "train", "val": "val", "test_2016_flickr": "test"}  # of 2016: the usual one


def multi30k(files: Mapping[str, Path]) -> dict[str, bytes]:
    """train, val and test in each language."""
    return {f"{FLICKR[part]}.{language}": unpacked(File(path)) for name, path in files.items()
            for part, _, language in [name.partition(".")]}


def tatoeba(files: Mapping[str, Path]) -> dict[str, bytes]:
    """pairs.tsv with the columns eng and spa."""
    [pairs] = (stream.read() for name, stream in members(files["spa-eng.zip"])
               if name.endswith("spa.txt"))
    return {"pairs.tsv": b"eng\tspa\n" + pairs}


MULTI30K = DataSet(
    name="multi30k",
    what="photo captions in English, German and French; the test part of 2016",
    tasks=TASKS,
    examples=31_014,
    unit="captions in each",
    licence="none stated; research and education, cite Elliott et al. 2016",
    page="https://github.com/multi30k/dataset",
    forms=(tuple(RawFile(
        name=name, size=size, contents=(f"sha256:{digest}",),
        urls=(f"https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/{name}.gz",
              )) for name, size, digest in (
        ("train.de", 637_044, "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72"),
        ("train.en", 568_929, "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6"),
        ("train.fr", 604_242, "5925a3c18f1587b6b54b87743106e6e8ab93618edb6f65d19eac0621f853a10d"),
        ("val.de", 24_681, "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660"),
        ("val.en", 21_650, "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227"),
        ("val.fr", 23_001, "5304e444d842e962b2dda4d816b70b22a1765b15401642b7ca37a67477e708dc"),
        ("test_2016_flickr.de", 22_890,
         "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16"),
        ("test_2016_flickr.en", 21_077,
         "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182"),
        ("test_2016_flickr.fr", 22_310,
         "cb3160d69b002bb638e66cc7612fcd56cb0af82eadc9c142dedc438afb885ef6"))),),
    prepare=multi30k,
)

TATOEBA = DataSet(
    name="tatoeba-spa-eng",
    what="short sentences in Spanish and English, with several translations",
    tasks=TASKS,
    examples=118_964,
    unit="pairs",
    licence="CC BY 2.0",
    page="https://www.manythings.org/anki/",
    forms=((RawFile(
        name="spa-eng.zip", size=2_767_131,
        contents=("sha256:d6ec3a34dc50a3f247654483e2910d0ee8c8b8bbe6385479839bc74f886a0a42",)),),),
    prepare=tatoeba,
)

ALL = MULTI30K, TATOEBA
