"""Write monthly sales of products in shops as a table: `sales.py FOLDER SERIES MONTHS`."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd


def main(folder, series, months):
    """Draw series with season, trend, a known price and a few statics, like the Stallion data of the tutorials."""
    rng = np.random.default_rng(0)
    months = int(months)
    time = np.arange(months)
    frames = []
    for number in range(int(series)):
        price = 1 + 0.1 * rng.standard_normal(months).cumsum() / np.sqrt(months)
        season = np.sin(2 * np.pi * (time % 12) / 12 + rng.uniform(0, 1))
        volume = np.exp(rng.normal(3, 1) + 0.3 * season + rng.normal(0, 0.002) * time - 0.5 * price)
        frames.append(
            pd.DataFrame(
                {
                    "time_idx": time,
                    "agency": f"agency_{number // 10}",
                    "sku": f"sku_{number % 10}",
                    "month": (time % 12).astype(str),
                    "price_regular": price,
                    "avg_max_temp": 20 + 8 * season + rng.normal(0, 1, months),
                    "avg_population_2017": float(rng.integers(10_000, 1_000_000)),
                    "volume": volume * rng.lognormal(0, 0.1, months),
                }
            )
        )
    Path(folder).mkdir(parents=True, exist_ok=True)
    pd.concat(frames, ignore_index=True).to_csv(Path(folder, "sales.csv"), index=False)


main(*sys.argv[1:])
