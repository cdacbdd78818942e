"""Train an anomalib model on a folder as its documentation shows: Folder, Engine, fit."""

import sys

from anomalib.data import Folder
from anomalib.engine import Engine
from anomalib.models import Ganomaly
from lightning.pytorch import seed_everything

if __name__ == "__main__":
    root, workers, epochs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    seed_everything(1)
    datamodule = Folder(
        name="parts",
        root=root,
        normal_dir="good",
        abnormal_dir="bad",
        train_batch_size=8,
        eval_batch_size=8,
        num_workers=workers,
        seed=1,
    )
    model = Ganomaly(batch_size=8, n_features=16)
    engine = Engine(max_epochs=epochs, accelerator="cpu", devices=1, logger=False)
    engine.fit(model=model, datamodule=datamodule)
    print(engine.test(model=model, datamodule=datamodule))
