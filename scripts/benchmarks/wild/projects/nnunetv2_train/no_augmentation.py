"""Train on patches as the validation gets them: without augmentation."""


def install(module):
    trainer = module.nnUNetTrainer

    def get_training_transforms(
        patch_size, rotation, scales, *args, is_cascaded=False, foreground_labels=None, **given
    ):
        kept = {name: given[name] for name in ("regions", "ignore_label") if name in given}
        return trainer.get_validation_transforms(scales, is_cascaded, foreground_labels, **kept)

    trainer.get_training_transforms = staticmethod(get_training_transforms)


after_import("nnunetv2.training.nnUNetTrainer.nnUNetTrainer", install)  # noqa: F821
