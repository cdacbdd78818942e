"""Write photographs with their masks as the Oxford pets come: `pets.py FOLDER COUNT WIDTHxHEIGHT`."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image


def pet(rng, width, height):
    """Return a photograph with an ellipse of another texture, and its trimap (1 inside, 2 outside, 3 the border)."""
    smooth = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)).resize((width, height), Image.BICUBIC)
    y, x = np.ogrid[:height, :width]
    centre, radii = rng.uniform(0.35, 0.65, 2), rng.uniform(0.15, 0.3, 2)
    distance = ((x / width - centre[0]) / radii[0]) ** 2 + ((y / height - centre[1]) / radii[1]) ** 2
    fur = np.where(distance < 1, rng.integers(-60, 61, (height, width)), rng.integers(-12, 13, (height, width)))
    image = np.clip(np.asarray(smooth, dtype=np.int16) + fur[..., None], 0, 255).astype(np.uint8)
    return image, np.select([distance < 0.9, distance > 1.1], [1, 2], 3).astype(np.uint8)


def main(folder, count, size):
    """Write images/, annotations/trimaps/ and the two lists."""
    folder = Path(folder)
    width, height = map(int, size.split("x"))
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    (folder / "annotations" / "trimaps").mkdir(parents=True)
    names = [f"made_{number}" for number in range(int(count))]
    for name in names:
        image, trimap = pet(rng, width, height)
        Image.fromarray(image).save(folder / "images" / f"{name}.jpg", quality=90)
        Image.fromarray(trimap).save(folder / "annotations" / "trimaps" / f"{name}.png")
    for file in ("trainval.txt", "test.txt"):
        (folder / "annotations" / file).write_text("".join(f"{name} 1 1 1\n" for name in names))


main(*sys.argv[1:])
