"""Both detectors on blood cells, from scratch, on the data set's own parts.

    python benchmarks/object_detection.py [--repeats 5] [--minutes 15]

Each training is a process of its own; the validation part chooses the weights, the test part is scored
once. Cells may be mirrored both ways; all else is default. Writes
benchmarks/results/object_detection.json.
"""

from common import claim, expect, in_turns, parser, plus_minus, scores, spread, whole_process, write

NETS = ("single-stage", "two-stage")
MEASURES = ("map50", "map50_95", "f1", "ap50 RBC", "ap50 WBC", "ap50 Platelets")


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--minutes", type=float, default=15.0, help="of each training")
    given = asked.parse_args()
    expect(given.minutes * given.repeats * len(NETS))
    runs = in_turns(given.repeats, {net: lambda seed, net=net: whole_process(
        "object-detection", "bccd", "--net", net, "--flip", "both", "--minutes", given.minutes,
        "--seed", seed) for net in NETS})
    found = {net: {name: spread(scores(runs[net], name)) for name in MEASURES} for net in NETS}
    lowest = {net: found[net]["map50"]["lowest"] for net in NETS}
    write("object_detection", minutes=given.minutes, runs=runs, bccd=found,
          table=[{"net": net, **{name: plus_minus(scores(runs[net], name), 3)
                                 for name in MEASURES}} for net in NETS],
          claims=[claim("bccd: mAP50 of the better detector at least 0.80, every seed",
                        max(lowest.values()), at_least=0.8),
                  *(claim(f"bccd: mAP50 of {net} at least 0.70, every seed", lowest[net],
                          at_least=0.7) for net in NETS)])


if __name__ == "__main__":
    main()
