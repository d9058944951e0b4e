"""Public data sets with anomalies among what is usual, and how they become what tasks read."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path

from lamina.datasets.content import members
from lamina.datasets.entry import DataSet, RawFile
from lamina.media.files import File, unpacked

TASKS = ("anomaly-detection",)
PROBATION, LONGEST = 0.15, 5000  # of a series of nab that counts nothing, but of at most so many
CONNECTION = (  # columns of NSL-KDD before the label; behind it stands how hard a row is
    "duration protocol_type service flag src_bytes dst_bytes land wrong_fragment urgent hot "
    "num_failed_logins logged_in num_compromised root_shell su_attempted num_root "
    "num_file_creations num_shells num_access_files num_outbound_cmds is_host_login is_guest_login "
    "count srv_count serror_rate srv_serror_rate rerror_rate srv_rerror_rate same_srv_rate "
    "diff_srv_rate srv_diff_host_rate dst_host_count dst_host_srv_count dst_host_same_srv_rate "
    "dst_host_diff_srv_rate dst_host_same_src_port_rate dst_host_srv_diff_host_rate "
    "dst_host_serror_rate dst_host_srv_serror_rate dst_host_rerror_rate dst_host_srv_rerror_rate"
).split()


def nsl_kdd(files: Mapping[str, Path]) -> dict[str, bytes]:
    """train.csv and test.csv with a header; the label is "normal" or an attack's name."""
    return {f"{part}.csv": table([[*CONNECTION, "label"], *(
        row[:42] for row in csv.reader(io.StringIO(unpacked(File(files[name])).decode())))])
        for part, name in (("train", "KDDTrain+_20Percent.txt"), ("test", "KDDTest+.txt"))}


def nab(files: Mapping[str, Path]) -> dict[str, bytes]:
    """nab.csv, a row a step: series, step, value, label (1 in a labelled window) and split.

    What the benchmark does not score, the first 15 % of a series (of 5,000 steps at most), is the
    training part, of which a third is kept for validation; the rest is the test part.
    """
    held = {name: stream.read().decode() for name, stream in members(files["nab.zip"])
            if name.endswith((".csv", "labels/combined_windows.json"))}
    spans = json.loads(held["labels/combined_windows.json"])
    rows = [["series", "step", "value", "label", "split"]]
    for name in sorted(spans):
        _, *steps = csv.reader(io.StringIO(held[f"data/{name}"]))
        probation = int(PROBATION * min(len(steps), LONGEST))
        for step, (moment, value) in enumerate(steps):
            part = "test" if step >= probation else \
                "train" if step < probation * 2 // 3 else "validation"
            inside = any(first[:19] <= moment <= last[:19] for first, last in spans[name])
            rows.append([name.removesuffix(".csv"), step, value, int(inside), part])
    return {"nab.csv": table(rows)}


def table(rows: list) -> bytes:
    """The rows as CSV."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()


def adbench(number: int, name: str, size: int, examples: int, digest: str) -> DataSet:
    """A table of ADBench (Han et al. 2022): numbers, and 1 where a row is an anomaly."""
    file = f"{number}_{name}.npz"
    return DataSet(
        name=f"adbench/{name.lower()}", what=f"rows with labelled anomalies: {name}, of ADBench",
        tasks=TASKS, examples=examples, unit="rows", licence="BSD 2-Clause",
        page="https://github.com/Minqi824/ADBench",
        forms=((RawFile(name=file, size=size, packed=f"sha256:{digest}", urls=(
            "https://raw.githubusercontent.com/Minqi824/ADBench/main/adbench/datasets/Classical/"
            + file,)),),),
        folder="adbench")


ADBENCH = (
    adbench(2, "annthyroid", 66_547, 7_200,
            "e738f7c58a8740d2c4aac4c71ff49ce5e1d1aa16f44178135fc9c09df05fad1b"),
    adbench(4, "breastw", 3_023, 683,
            "4f37ce07dbc25ddad8178fdc6d664ab46d2d0000ee28c2787c3c7ff3c03ef9f6"),
    adbench(6, "cardio", 68_471, 1_831,
            "bc5009bde6930b4d298b594f31b34485a9a17210cff0e8fb00a8c3068b885a2d"),
    adbench(12, "fault", 192_040, 1_941,
            "ec27301f9a4cf7c5d8b22c360cf37ddb043b7fb062465723dfd8b34e2771e5dd"),
    adbench(18, "Ionosphere", 42_913, 351,
            "bca46cb0cfd1bf9ddef6cde5ad2215d54fb0189508d0d4c4eb98e788cad69001"),
    adbench(23, "mammography", 166_764, 11_183,
            "a0308ac9712d78321073b1c2dc98dc37665c0f35c1cc33019416fe8f8d7de7ea"),
    adbench(26, "optdigits", 197_633, 5_216,
            "60de17a375a278ba220a7849727d998aa02b5e2f9fd17732a004bba28de4656e"),
    adbench(28, "pendigits", 653_509, 6_870,
            "c4936b89dcdad59d303020e492f763a0f54170080d787c77497609acbb9c2d79"),
    adbench(29, "Pima", 11_023, 768,
            "215454bb263a2f040945c9ea7bd7f06f1e89a61a3143bdb6f196e3887e801a7d"),
    adbench(30, "satellite", 129_874, 6_435,
            "1f048f5686f1b8c16a227fdfa3c81a62cd9a92715714a6b24c69b1c5ad96b46e"),
    adbench(31, "satimage-2", 181_405, 5_803,
            "1b056e357f801b8b20c3f380a30224a3c4088d7ed764ec5a24828dc9b1918d6f"),
    adbench(32, "shuttle", 332_929, 49_097,
            "26900b0f6be45d9ddb7a402c9b2f956ceda42d23a8ca4cf4406b8bc1352823d1"),
    adbench(38, "thyroid", 39_882, 3_772,
            "8de161b3f235b7647bb0b39a836d983ff61d67bf234edac461da2d71e889cb87"),
    adbench(47, "yeast", 14_707, 1_484,
            "bbb15c873d78a4f6a589f46d0f75814595e2282d2ae7ce7779c750f276c3770d"),
)

NSL_KDD = DataSet(
    name="nsl-kdd",
    what="network connections, normal or one of 39 attacks; 41 columns",
    tasks=TASKS,
    examples=47_736,
    unit="rows",
    licence="free for research, cite Tavallaee et al. 2009",
    page="https://www.unb.ca/cic/datasets/nsl.html",
    forms=(tuple(RawFile(
        name=name, size=size, contents=(f"sha256:{digest}",),
        urls=(f"https://raw.githubusercontent.com/defcom17/NSL_KDD/master/{name}",))
        for name, size, digest in (
        ("KDDTrain+_20Percent.txt", 3_822_033,
         "7ea86479faab5ca2190b7f18b4982fb058ce5bf2b46e0e1017d0d9ef90f9c16e"),
        ("KDDTest+.txt", 3_441_513,
         "fa46b0935342616aa83b7c2578db355b6a7aaabbc492248172c7a1e8b7ab8f84"))),),
    prepare=nsl_kdd,
)

NAB = DataSet(
    name="nab",
    what="58 series with 116 labelled windows: machines, traffic, tweets, ads",
    tasks=TASKS,
    examples=365_558,
    unit="steps",
    licence="MIT",
    page="https://github.com/numenta/NAB",
    forms=((RawFile(
        name="nab.zip", size=1_703_722,  # its folders data and labels
        packed="sha256:4957ebc8ae6368cfd15f44404a42c24327bd03bfba6a03975e8d7c145a981288",
        contents=("sha256:96d8dea78a28de532298ba9c16ffd969d25c51a9bc0d383e9942ae0b024d7bf0",)),),),
    prepare=nab,
)

ALL = *ADBENCH, NSL_KDD, NAB
