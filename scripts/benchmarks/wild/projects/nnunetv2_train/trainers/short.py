"""Trainers of a few short epochs, as nnU-Net's documentation asks for: subclasses found by `nnUNet_extTrainer`."""

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.training.nnUNetTrainer.variants.data_augmentation.nnUNetTrainerNoDA import nnUNetTrainerNoDA

CUDA = torch.device("cuda")


class nnUNetTrainerShort(nnUNetTrainer):
    def __init__(self, plans, configuration, fold, dataset_json, device=CUDA):
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = 3
        self.num_iterations_per_epoch = 25
        self.num_val_iterations_per_epoch = 5


class nnUNetTrainerShortNoDA(nnUNetTrainerShort, nnUNetTrainerNoDA):
    """The same without augmentation."""
