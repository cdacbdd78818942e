"""Write photographs for anomaly detection: ROOT/good, ROOT/bad (with a scratch).  defects.py ROOT [--good 64] [--bad 8]"""

import argparse
from pathlib import Path

import numpy
from photos import photograph, size
from PIL import ImageDraw


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--good", type=int, default=64)
    parser.add_argument("--bad", type=int, default=8)
    parser.add_argument("--size", type=size, default=(900, 900))
    args = parser.parse_args()
    random = numpy.random.default_rng(0)
    for kind, count in (("good", args.good), ("bad", args.bad)):
        (args.root / kind).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            photo = photograph(random, *args.size)
            if kind == "bad":
                ends = random.integers(0, min(args.size), 4).tolist()
                ImageDraw.Draw(photo).line(ends, fill=(250, 250, 250), width=9)
            photo.save(args.root / kind / f"{number:04d}.jpg", quality=90)


if __name__ == "__main__":
    main()
