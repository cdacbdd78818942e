"""Binary segmentation of pets, as in segmentation-models-pytorch's example notebook: its dataset, Lightning."""

import sys

import lightning.pytorch as pl
import segmentation_models_pytorch as smp
import torch
from segmentation_models_pytorch.datasets import SimpleOxfordPetDataset
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader

EPOCHS = 3


class PetModel(pl.LightningModule):
    def __init__(self, arch, encoder_name, in_channels, out_classes, t_max, **kwargs):
        super().__init__()
        self.t_max = t_max
        self.model = smp.create_model(
            arch,
            encoder_name=encoder_name,
            in_channels=in_channels,
            classes=out_classes,
            encoder_weights=None,
            **kwargs,
        )
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) * 255)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 255)
        self.loss_fn = smp.losses.DiceLoss(smp.losses.BINARY_MODE, from_logits=True)
        self.outputs = {"train": [], "valid": []}

    def forward(self, image):
        return self.model((image - self.mean) / self.std)

    def shared_step(self, batch, stage):
        image, mask = batch["image"], batch["mask"]
        logits_mask = self.forward(image)
        loss = self.loss_fn(logits_mask, mask)
        pred_mask = (logits_mask.sigmoid() > 0.5).float()
        tp, fp, fn, tn = smp.metrics.get_stats(pred_mask.long(), mask.long(), mode="binary")
        self.outputs[stage].append({"loss": loss.detach(), "tp": tp, "fp": fp, "fn": fn, "tn": tn})
        return loss

    def shared_epoch_end(self, stage):
        tp, fp, fn, tn = (
            torch.cat([output[key] for output in self.outputs[stage]]) for key in ("tp", "fp", "fn", "tn")
        )
        iou = smp.metrics.iou_score(tp, fp, fn, tn, reduction="micro")
        loss = torch.stack([output["loss"] for output in self.outputs[stage]]).mean()
        print(f"{stage} loss {loss:.5f} iou {iou:.5f}")
        self.outputs[stage].clear()

    def training_step(self, batch, batch_idx):
        return self.shared_step(batch, "train")

    def on_train_epoch_end(self):
        self.shared_epoch_end("train")

    def validation_step(self, batch, batch_idx):
        return self.shared_step(batch, "valid")

    def on_validation_epoch_end(self):
        self.shared_epoch_end("valid")

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=2e-4)
        scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.t_max, eta_min=1e-5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def main(root):
    pl.seed_everything(0)
    train_dataset = SimpleOxfordPetDataset(root, "train")
    valid_dataset = SimpleOxfordPetDataset(root, "valid")
    train_dataloader = DataLoader(train_dataset, batch_size=8, shuffle=True, num_workers=2)
    valid_dataloader = DataLoader(valid_dataset, batch_size=8, shuffle=False, num_workers=2)
    model = PetModel("FPN", "mobilenet_v2", in_channels=3, out_classes=1, t_max=EPOCHS * len(train_dataloader))
    trainer = pl.Trainer(max_epochs=EPOCHS, log_every_n_steps=1, enable_progress_bar=False, accelerator="cpu")
    trainer.fit(model, train_dataloaders=train_dataloader, val_dataloaders=valid_dataloader)


main(sys.argv[1])
