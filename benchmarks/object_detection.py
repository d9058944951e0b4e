"""Detectors of blood cells, from scratch, on the data set's own parts.

    python benchmarks/object_detection.py [--repeats 5] [--minutes 15] [--nets single-stage two-stage]

Each training is a process of its own; the validation part chooses the weights, the test part is scored
once. Cells may be mirrored both ways; all else is default. Writes
benchmarks/results/object_detection_NET.json for each net.
"""

from common import claim, expect, parser, plus_minus, scores, spread, whole_process, write

NETS = ("single-stage", "two-stage")
AIMS = {"each of the detectors": 0.7, "the better one": 0.8}  # least mAP50 of bccd
MEASURES = ("map50", "map50_95", "f1", "ap50 RBC", "ap50 WBC", "ap50 Platelets")


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--minutes", type=float, default=15.0, help="of each training")
    asked.add_argument("--nets", nargs="+", default=list(NETS), choices=NETS)
    given = asked.parse_args()
    expect(given.minutes * given.repeats * len(given.nets))
    for net in given.nets:
        runs = []
        for seed in range(given.repeats):
            runs.append({"seed": seed, **whole_process(
                "object-detection", "bccd", "--net", net, "--flip", "both", "--minutes",
                given.minutes, "--seed", seed)})
            print(net, runs[-1], flush=True)
        found = {name: spread(scores(runs, name)) for name in MEASURES}
        write(f"object_detection_{net}", minutes=given.minutes, runs=runs, bccd=found,
              table=[{"net": net, **{name: plus_minus(scores(runs, name), 3)
                                     for name in MEASURES}}],
              claims=[claim(f"bccd: mAP50 of {net} at least {least:.2f}, asked of {of}, every seed",
                            found["map50"]["lowest"], at_least=least)
                      for of, least in AIMS.items()])


if __name__ == "__main__":
    main()
