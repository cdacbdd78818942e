"""Write what users rated, when, as RecBole's atomic file: `interactions.py FOLDER USERS ITEMS PER_USER`."""

import sys
from pathlib import Path

import numpy as np


def main(folder, users, items, per_user):
    """Draw items by popularity, as in MovieLens: few items get most of the ratings."""
    folder = Path(folder, "made")
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    items = int(items)
    popularity = 1.0 / np.arange(1, items + 1) ** 0.6
    popularity /= popularity.sum()
    lines = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user in range(int(users)):
        count = min(items // 2, 5 + rng.geometric(1 / int(per_user)))
        for item in rng.choice(items, count, replace=False, p=popularity):
            lines.append(f"{user}\t{item}\t{rng.integers(1, 6)}\t{rng.integers(0, 10**8)}")
    (folder / "made.inter").write_text("\n".join(lines) + "\n")


main(*sys.argv[1:])
