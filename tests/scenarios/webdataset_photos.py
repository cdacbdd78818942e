"""Photos in a tar shard read by webdataset: the decoder makes full pictures that are then shrunk."""

import io
import time

import torch
import webdataset
from _common import ImageNetwork, made, options, picture, report
from PIL import Image
from torchvision import transforms

SHRINK = transforms.Compose([transforms.Resize((160, 160)), transforms.ToTensor()])


def write(folder):
    encoded = []
    for seed in range(8):
        buffer = io.BytesIO()
        Image.fromarray(picture(1920, 1440, seed)).save(buffer, "JPEG", quality=88)
        encoded.append(buffer.getvalue())
    for shard in range(2):
        with webdataset.TarWriter(str(folder / f"shard-{shard}.tar")) as tar:
            for number in range(130):
                tar.write({"__key__": f"{shard}{number:05d}", "jpg": encoded[number % 8], "cls": number % 10})


def decode_full(data):
    return SHRINK(Image.open(io.BytesIO(data)).convert("RGB"))  # <- cause


def decode_scaled(data):
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (320, 320))
    return SHRINK(image.convert("RGB"))


def main():
    args = options(__doc__)
    folder = made(args.data, write)
    decode = decode_scaled if args.fix else decode_full
    samples = (
        webdataset.WebDataset(str(folder / "shard-{0..1}.tar"), shardshuffle=False)
        .to_tuple("jpg", "cls")
        .map_tuple(decode, int)
        .batched(4)
    )
    loader = webdataset.WebLoader(samples, batch_size=None, num_workers=2)
    model = ImageNetwork(device_ms=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for images, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(images), torch.as_tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
