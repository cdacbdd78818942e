"""Keep what MNIST.__getitem__ returned, as a data set transformed once does."""


def keep(module):
    original = module.MNIST.__getitem__

    def __getitem__(self, index):
        kept = self.__dict__.setdefault("_kept", {})
        if index not in kept:
            kept[index] = original(self, index)
        return kept[index]

    module.MNIST.__getitem__ = __getitem__


after_import("torchvision.datasets.mnist", keep)  # noqa: F821 (given by importing.py)
