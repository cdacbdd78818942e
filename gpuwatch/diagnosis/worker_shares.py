"""Whether an iterable dataset gives each of its workers a part of its own: only then do more of them help."""

from __future__ import annotations

from gpuwatch.diagnosis.evidence import splits_its_data
from gpuwatch.diagnosis.rule import NOT_SO, Missing, Need, NotSo
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Profile
from gpuwatch.model.worker_profile import WorkersProfile


def is_iterable(loader: LoaderProfile) -> bool:
    """Say whether no sampler deals out indices: each worker goes over its copy of the dataset."""
    return loader.dataset_kind == "iterable"


def _loader(profile: Profile) -> LoaderProfile | Missing | NotSo:
    loader = profile.primary
    if loader is None:
        return Missing("no DataLoader was seen in use", "clause")
    return NOT_SO if loader.own_loop else loader


def _shared(profile: Profile) -> WorkersProfile | Missing | NotSo:
    """Return what was observed of an iterable dataset's workers, of which there are several."""
    loader = profile.primary
    if loader is None:
        return Missing("no DataLoader was seen in use", "clause")
    if not is_iterable(loader) or loader.workers < 2:
        return NOT_SO
    return loader.workers_seen or Missing("what each worker delivered")


def _sharing(profile: Profile) -> bool | Missing:
    loader = profile.primary
    if loader is None or splits_its_data(loader):
        return True
    return Missing("the dataset is iterable, and no worker was observed to take a part of its own", "clause")


OVER_A_LOADER = Need("a DataLoader in use", _loader)
SHARED_STREAM = Need("several workers of an iterable dataset", _shared)
DIVISIBLE = Need("data that more workers would share", _sharing)
