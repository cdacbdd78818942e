"""Write CT-like volumes with their segmentations as NIfTI files: `volumes.py FOLDER COUNT HEIGHTxWIDTHxDEPTH [nnunet]`."""

import json
import sys
from pathlib import Path

import numpy as np

SPACING = (0.9, 0.9, 2.0)  # mm
ORGANS = 6


def organs(rng, shape):
    """Return a volume in Hounsfield units with ellipsoids of soft tissue, and the label of one of them."""
    grid = np.ogrid[: shape[0], : shape[1], : shape[2]]
    image = np.full(shape, -900.0, dtype=np.float32)
    label = np.zeros(shape, dtype=np.uint8)
    body = sum(((axis - size / 2) / (size * 0.45)) ** 2 for axis, size in zip(grid, shape, strict=True)) <= 1
    image[body] = -80
    for number in range(ORGANS):
        centre = [size * rng.uniform(0.3, 0.7) for size in shape]
        radii = [size * rng.uniform(0.06, 0.16) for size in shape]
        inside = sum(((axis - c) / r) ** 2 for axis, c, r in zip(grid, centre, radii, strict=True)) <= 1
        image[inside] = rng.uniform(0, 150)
        label[inside] = number == ORGANS - 1
    return np.round(image + rng.normal(0, 15, shape)).astype(np.int16), label


def main(folder, count, shape, layout=""):
    """Write `count` pairs to imagesTr and labelsTr, named as nnU-Net wants them when `layout` says so."""
    import nibabel

    folder, shape = Path(folder), [int(size) for size in shape.split("x")]
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    affine = np.diag([*SPACING, 1.0])
    for number in range(int(count)):
        image, label = organs(np.random.default_rng(number), shape)
        channel = "_0000" if layout == "nnunet" else ""
        nibabel.save(nibabel.Nifti1Image(image, affine), folder / "imagesTr" / f"case_{number:03d}{channel}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(label, affine), folder / "labelsTr" / f"case_{number:03d}.nii.gz")
    if layout == "nnunet":
        description = {
            "channel_names": {"0": "CT"},
            "labels": {"background": 0, "organ": 1},
            "numTraining": int(count),
            "file_ending": ".nii.gz",
        }
        (folder / "dataset.json").write_text(json.dumps(description))


main(*sys.argv[1:])
