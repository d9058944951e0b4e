"""Public recordings of speech."""

import csv
import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from lamina.datasets.content import members
from lamina.datasets.entry import DataSet, RawFile
from lamina.media.files import File, unpacked

SAID = re.compile(r"^(?:<s>)?\s*(.*?)\s*(?:</s>)?\s*\((\S+)\)$", re.MULTILINE)  # as Sphinx writes
FOLDERS = {"an4_clstk": "train", "an4test_clstk": "test"}


def an4(files: Mapping[str, Path]) -> dict[str, bytes]:
    """an4.zip: the sounds as they are, and an4.csv with audio, text, speaker and split."""
    said = {}
    for part in ("train", "test"):
        text = unpacked(File(files[f"etc/an4_{part}.transcription"])).decode()
        said |= {name: words for words, name in SAID.findall(text)}
    rows = [("audio", "text", "speaker", "split")]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, stream in members(files["an4_ogg16k.zip"]):
            packed.writestr(zipfile.ZipInfo(name), stream.read())
            *_, folder, speaker, _ = PurePosixPath(name).parts
            rows.append((name, said[PurePosixPath(name).stem], speaker, FOLDERS[folder]))
        listed = io.StringIO()
        csv.writer(listed, lineterminator="\n").writerows([rows[0], *sorted(rows[1:])])
        packed.writestr(zipfile.ZipInfo("an4.csv"), listed.getvalue())
    return {"an4.zip": buffer.getvalue()}


AN4 = DataSet(
    name="an4",
    what="words and spelled letters, 48 minutes by 84 speakers, 16,000 hertz",
    tasks=("speech-recognition",),
    examples=1078,
    unit="recordings",
    licence="BSD style, Carnegie Mellon University",
    page="http://www.speech.cs.cmu.edu/databases/an4/",
    forms=((
        RawFile(
            name="an4_ogg16k.zip", size=15_142_463,  # the sounds, packed anew as Ogg Vorbis
            packed="sha256:e6c21790c107bb4b95d13da37cd912f2d1ab2494d3631d9eda022ce5b84cf583",
            contents=("sha256:4189ecc442164693bb3f8df88f8a342a58bbb6b56a4e852cce7601b899a18a92",)),
        RawFile(
            name="etc/an4_train.transcription", size=40_954,
            contents=("sha256:6773e208c26be55101aac7a982983706bc6fcae1375fcff938008bddb7f9a286",)),
        RawFile(
            name="etc/an4_test.transcription", size=4_577,
            contents=("sha256:b9d63509cebb23a06f697391d758e9b7249122ecd51c158bd61e813c7ccbec82",)),
    ),),
    prepare=an4,
)

ALL = (AN4,)
