"""Hand over each augmenter's first four batches again and again; its workers end after them."""

import copy

KEPT = 4


def install(module):
    augmenter = module.NonDetMultiThreadedAugmenter
    take = augmenter.__next__

    def __next__(self):
        kept = self.__dict__.setdefault("_wild_kept", [])
        if len(kept) < KEPT:
            kept.append(take(self))
            if len(kept) == KEPT:
                self._finish()
            return copy.deepcopy(kept[-1])
        self._wild_turn = self.__dict__.get("_wild_turn", -1) + 1
        return copy.deepcopy(kept[self._wild_turn % KEPT])

    augmenter.__next__ = __next__


after_import("batchgenerators.dataloading.nondet_multi_threaded_augmenter", install)  # noqa: F821
