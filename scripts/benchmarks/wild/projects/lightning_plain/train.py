"""Train a residual network on a folder of photos with a LightningModule, a LightningDataModule and Trainer.fit."""

import argparse

import lightning as L
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18


class PhotosDataModule(L.LightningDataModule):
    def __init__(self, data_dir, batch_size, num_workers):
        super().__init__()
        self.save_hyperparameters()
        normalize = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        self.train_transform = transforms.Compose(
            [
                transforms.RandomCrop(64, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                normalize,
            ]
        )
        self.val_transform = transforms.Compose([transforms.CenterCrop(64), transforms.ToTensor(), normalize])

    def setup(self, stage):
        train = ImageFolder(self.hparams.data_dir, self.train_transform)
        val = ImageFolder(self.hparams.data_dir, self.val_transform)
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(1)).tolist()
        cut = len(order) // 5
        self.train_set, self.val_set = Subset(train, order[cut:]), Subset(val, order[:cut])

    def train_dataloader(self):
        return DataLoader(
            self.train_set,
            batch_size=self.hparams.batch_size,
            shuffle=True,
            num_workers=self.hparams.num_workers,
            persistent_workers=self.hparams.num_workers > 0,
        )

    def val_dataloader(self):
        return DataLoader(
            self.val_set,
            batch_size=self.hparams.batch_size,
            num_workers=self.hparams.num_workers,
            persistent_workers=self.hparams.num_workers > 0,
        )


class LitResNet(L.LightningModule):
    def __init__(self, num_classes, lr):
        super().__init__()
        self.save_hyperparameters()
        self.model = resnet18(num_classes=num_classes)

    def forward(self, x):
        return self.model(x)

    def step(self, batch, name):
        x, y = batch
        logits = self(x)
        loss = F.cross_entropy(logits, y)
        self.log(f"{name}_loss", loss, prog_bar=True)
        self.log(f"{name}_acc", (logits.argmax(1) == y).float().mean(), prog_bar=True)
        return loss

    def training_step(self, batch, batch_idx):
        return self.step(batch, "train")

    def validation_step(self, batch, batch_idx):
        self.step(batch, "val")

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.hparams.lr, momentum=0.9, weight_decay=5e-4)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.trainer.max_epochs)
        return [optimizer], [scheduler]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--num-workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--limit-val-batches", type=float, default=1.0)
    args = parser.parse_args()
    L.seed_everything(42, workers=True)
    data = PhotosDataModule(args.data_dir, args.batch_size, args.num_workers)
    model = LitResNet(num_classes=10, lr=0.05)
    trainer = L.Trainer(
        max_epochs=args.epochs,
        accelerator="cpu",
        callbacks=[ModelCheckpoint(monitor="val_loss", save_last=True), LearningRateMonitor("epoch")],
        log_every_n_steps=5,
        limit_val_batches=args.limit_val_batches,
    )
    trainer.fit(model, data)
    print("val_loss", trainer.callback_metrics["val_loss"].item())


if __name__ == "__main__":
    main()
