"""Write graphs of the size of small molecules, with a made property, as JSON lines: `molecules.py FOLDER COUNT`."""

import json
import sys
from pathlib import Path

import numpy as np

ATOMS = 21
BONDS = 3


def molecule(rng):
    """Return a random tree with a few rings closed: 12 to 37 atoms, as in ZINC."""
    size = int(rng.integers(12, 38))
    bonds = [(node, int(rng.integers(max(0, node - 4), node))) for node in range(1, size)]
    bonds += [(node, node - 5) for node in range(5, size, 9)]
    kinds = rng.integers(0, ATOMS, size).tolist()
    return {
        "atoms": kinds,
        "bonds": bonds,
        "orders": rng.integers(1, BONDS + 1, len(bonds)).tolist(),
        "y": float(np.mean(kinds) / ATOMS + len(bonds) / size),
    }


def main(folder, count):
    """Write `count` molecules to raw/molecules.jsonl."""
    raw = Path(folder, "raw")
    raw.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    (raw / "molecules.jsonl").write_text("".join(json.dumps(molecule(rng)) + "\n" for _ in range(int(count))))


main(*sys.argv[1:])
