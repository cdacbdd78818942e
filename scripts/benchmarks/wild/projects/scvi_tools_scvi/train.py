"""SCVI as in the quick start of scvi-tools: counts of an h5ad file, batches corrected."""

import argparse

import anndata
import scvi

parser = argparse.ArgumentParser()
parser.add_argument("h5ad")
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--dense", action="store_true", help="make the counts dense before training")
args = parser.parse_args()

scvi.settings.seed = 0
adata = anndata.read_h5ad(args.h5ad)
if args.dense:
    adata.X = adata.X.toarray()

scvi.model.SCVI.setup_anndata(adata, batch_key="batch")
model = scvi.model.SCVI(adata, n_layers=2, n_latent=30, gene_likelihood="nb")
model.train(max_epochs=args.epochs, accelerator="cpu")
print("elbo", model.history["elbo_train"].iloc[-1].item())
