"""fastai's quick start on a folder of photographs: ImageDataLoaders, vision_learner, fit_one_cycle."""

import sys

from fastai.vision.all import (
    CrossEntropyLossFlat,
    ImageDataLoaders,
    Path,
    Resize,
    accuracy,
    aug_transforms,
    set_seed,
    vision_learner,
    xresnet18,
)

path, workers, epochs = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
set_seed(1, reproducible=True)
dls = ImageDataLoaders.from_folder(
    path,
    train="train",
    valid="val",
    item_tfms=Resize(96),
    batch_tfms=aug_transforms(size=64),
    bs=16,
    num_workers=workers,
)
learn = vision_learner(dls, xresnet18, pretrained=False, loss_func=CrossEntropyLossFlat(), metrics=accuracy)
with learn.no_bar():
    learn.fit_one_cycle(epochs, 1e-3)
