"""Actions in short clips with Lightning: every frame is warped, blurred and recoloured while a large network trains."""

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import lightning
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

FRAMES, SIDE, ACTIONS = 8, 112, 6


def film(folder, clips=120):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(29)
    for number in range(clips):
        scene = rng.integers(0, 255, (FRAMES, 3, SIDE // 8, SIDE // 8), dtype=np.uint8)
        np.save(folder / f"clip_{number:03d}_{number % ACTIONS}.npy", scene.repeat(8, 2).repeat(8, 3))


class ActionClips(Dataset):
    def __init__(self, folder, transform):
        self.paths = sorted(folder.glob("clip_*.npy"))
        self.transform = transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        clip = torch.from_numpy(np.load(self.paths[index]))
        return self.transform(clip), int(self.paths[index].stem[-1])


class ActionModule(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv3d(3, 8, (3, 7, 7), stride=(2, 8, 8))
        self.head = nn.Linear(8, ACTIONS)

    def forward(self, clips):
        return self.head(self.stem(clips.float().div(255).transpose(1, 2)).relu().mean((2, 3, 4)))

    def training_step(self, batch, _index):
        clips, actions = batch
        scores = self(clips)
        time.sleep(0.24)  # sixteen more blocks, on a device
        return nn.functional.cross_entropy(scores, actions)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=3e-4, weight_decay=0.05)


class Progress(lightning.Callback):
    def on_train_epoch_end(self, trainer, module):
        print(f"epoch {trainer.current_epoch} done after {trainer.global_step} steps", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "action_clips")
    parser.add_argument("--prepare", action="store_true", help="film the clips and stop")
    parser.add_argument("--fix", action="store_true", help="leave the clips as they are, which wins next to nothing")
    args = parser.parse_args()
    if not args.data.exists():
        film(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="lightning")
    augment = [
        v2.RandomPerspective(0.3, p=1.0),
        v2.ColorJitter(0.4, 0.4, 0.4),
        v2.GaussianBlur(5),
        v2.RandomHorizontalFlip(),
    ]
    clips = ActionClips(args.data, v2.Identity() if args.fix else v2.Compose(augment))
    loader = DataLoader(clips, batch_size=4, shuffle=True, num_workers=2, persistent_workers=True, drop_last=True)
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Progress()],
    )
    began = time.perf_counter()
    trainer.fit(ActionModule(), loader)
    print(f"trained {trainer.global_step} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
