"""The 3D spleen segmentation of MONAI's tutorials, on a small network: transforms of the tutorial, plain Dataset."""

import sys
from pathlib import Path

import torch
from monai.data import CacheDataset, DataLoader, Dataset
from monai.losses import DiceLoss
from monai.networks.layers import Norm
from monai.networks.nets import UNet
from monai.transforms import (
    Compose,
    CropForegroundd,
    EnsureChannelFirstd,
    LoadImaged,
    Orientationd,
    RandCropByPosNegLabeld,
    ScaleIntensityRanged,
    Spacingd,
)
from monai.utils import set_determinism

KEYS = ["image", "label"]

train_transforms = Compose(
    [
        LoadImaged(keys=KEYS),
        EnsureChannelFirstd(keys=KEYS),
        ScaleIntensityRanged(keys=["image"], a_min=-57, a_max=164, b_min=0.0, b_max=1.0, clip=True),
        CropForegroundd(keys=KEYS, source_key="image"),
        Orientationd(keys=KEYS, axcodes="RAS"),
        Spacingd(keys=KEYS, pixdim=(1.5, 1.5, 2.0), mode=("bilinear", "nearest")),
        RandCropByPosNegLabeld(
            keys=KEYS,
            label_key="label",
            spatial_size=(48, 48, 48),
            pos=1,
            neg=1,
            num_samples=4,
            image_key="image",
            image_threshold=0,
        ),
    ]
)


def main(data_dir, epochs=2, cached=False):
    """Train as the tutorial does: two volumes a batch, four crops of each."""
    set_determinism(seed=0)
    images = sorted(Path(data_dir, "imagesTr").glob("*.nii.gz"))
    labels = sorted(Path(data_dir, "labelsTr").glob("*.nii.gz"))
    files = [{"image": str(image), "label": str(label)} for image, label in zip(images, labels, strict=True)]

    if cached:
        train_ds = CacheDataset(data=files, transform=train_transforms, cache_rate=1.0, num_workers=2)
    else:
        train_ds = Dataset(data=files, transform=train_transforms)
    train_loader = DataLoader(train_ds, batch_size=2, shuffle=True, num_workers=2)

    model = UNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=2,
        channels=(8, 16, 32, 64),
        strides=(2, 2, 2),
        num_res_units=2,
        norm=Norm.BATCH,
    )
    loss_function = DiceLoss(to_onehot_y=True, softmax=True)
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)

    for epoch in range(epochs):
        model.train()
        epoch_loss = 0
        for step, batch_data in enumerate(train_loader, 1):
            inputs, labels = batch_data["image"], batch_data["label"]
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = loss_function(outputs, labels)
            loss.backward()
            optimizer.step()
            epoch_loss += loss.item()
            print(f"{step}/{len(train_ds) // train_loader.batch_size}, train_loss: {loss.item():.4f}")
        print(f"epoch {epoch + 1} average loss: {epoch_loss / step:.4f}")


if __name__ == "__main__":
    main(sys.argv[1], cached="--cache" in sys.argv)
