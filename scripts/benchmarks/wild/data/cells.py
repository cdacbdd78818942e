"""Write counts of genes in cells as an h5ad file: `cells.py FOLDER CELLS GENES`."""

import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scipy.sparse

TYPES = 8


def main(folder, cells, genes):
    """Draw Poisson counts of cell types in two batches; some 90 % are zero, as in droplet sequencing."""
    rng = np.random.default_rng(0)
    cells, genes = int(cells), int(genes)
    profiles = rng.gamma(0.15, 1.0, (TYPES, genes))
    kinds = rng.integers(0, TYPES, cells)
    depth = rng.lognormal(0.0, 0.4, cells)
    rows = [
        scipy.sparse.csr_matrix(rng.poisson(profiles[kinds[start : start + 1000]] * depth[start : start + 1000, None]))
        for start in range(0, cells, 1000)
    ]
    counts = scipy.sparse.vstack(rows, format="csr").astype(np.float32)
    observed = pd.DataFrame(
        {"batch": pd.Categorical([f"batch_{n}" for n in rng.integers(0, 2, cells)])},
        index=[f"cell_{n}" for n in range(cells)],
    )
    named = pd.DataFrame(index=[f"gene_{n}" for n in range(genes)])
    Path(folder).mkdir(parents=True, exist_ok=True)
    anndata.AnnData(counts, obs=observed, var=named).write_h5ad(Path(folder, "cells.h5ad"))


main(*sys.argv[1:])
