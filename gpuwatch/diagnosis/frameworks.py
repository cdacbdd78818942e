"""Libraries that make the DataLoader or open the image files for their user: what he can pass them, in one table each.

Who made and who opened is recorded by the hook. Of a library that no table names, the file and line are reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from gpuwatch.model.loader_profile import LoaderProfile, OperationProfile
from gpuwatch.model.measures import Place
from gpuwatch.records import dataclass
from gpuwatch.words.source_code import is_library, package_of

_T = TypeVar("_T")
TRAINING_ARGUMENTS = {
    "num_workers": "dataloader_num_workers",
    "persistent_workers": "dataloader_persistent_workers",
    "pin_memory": "dataloader_pin_memory",
    "prefetch_factor": "dataloader_prefetch_factor",
}
SAME = {name: name for name in ("num_workers", "persistent_workers", "pin_memory", "prefetch_factor")}
WORKERS = {"num_workers": "num_workers"}


@dataclass(frozen=True)
class LoaderMaker:
    """A library that makes the DataLoader: the call of its user's, and its options by the names of torch's.

    `also` goes with more workers; `none_on_cpu`: it takes no workers for a training on the CPU, whatever is passed.
    `function`: the function or class that the user's code calls with them; `base`: the class that it derives its own from.
    """

    call: str
    options: Mapping[str, str]
    also: str = ""
    none_on_cpu: bool = False
    function: str = ""
    base: str = ""


# By the name of the module that makes the loader, or that defines its class.
LOADER_MAKERS = {
    "keras": LoaderMaker("PyDataset(..., {})", {"num_workers": "workers"}, also="use_multiprocessing=True", base="PyDataset"),
    "transformers": LoaderMaker("TrainingArguments(..., {})", TRAINING_ARGUMENTS, function="TrainingArguments"),
    "sentence_transformers": LoaderMaker("SentenceTransformerTrainingArguments(..., {})", TRAINING_ARGUMENTS, function="SentenceTransformerTrainingArguments"),
    "fastai": LoaderMaker("DataLoaders(..., {})", {"num_workers": "num_workers", "pin_memory": "pin_memory"}),
    "ultralytics": LoaderMaker("train(..., {})", {"num_workers": "workers"}, none_on_cpu=True, function="train"),
    "lightning": LoaderMaker("LightningDataModule.from_datasets(..., {})", WORKERS, function="from_datasets"),
    "pytorch_lightning": LoaderMaker("LightningDataModule.from_datasets(..., {})", WORKERS, function="from_datasets"),
    "recbole": LoaderMaker("config: {}", {"num_workers": "worker"}),
    "timm": LoaderMaker("create_loader(..., {})", SAME, function="create_loader"),
    "open_clip_train": LoaderMaker("--{}", {"num_workers": "workers"}),
    "anomalib": LoaderMaker("the datamodule's (..., {})", WORKERS),
    "lightly_train": LoaderMaker("train(..., {})", WORKERS, function="train"),
    "pytorch_forecasting": LoaderMaker("to_dataloader(..., {})", SAME, function="to_dataloader"),
    "scvi": LoaderMaker("scvi.settings.{}", {"num_workers": "dl_num_workers", "persistent_workers": "dl_persistent_workers"}),
}  # fmt: skip
# OpenCV's decoders, with what they are given.
CV2_DECODERS = {"cv2.imread": "path", "cv2.imdecode": "data"}
# By the name of the module that opens the file: what makes the user's code open it.
FILE_OPENERS = {
    "datasets": 'dataset.cast_column("image", Image(decode=False)), then PIL.Image.open the path or bytes, and {}',
    "streaming": 'sample["image"]{}',
    "webdataset": '.map_dict(jpg=...) with a function that opens the bytes in the place of .decode("pil"), and {}',
    "torchvision": "ImageFolder(..., loader=...) with a function that opens the path, and {}",
}


def maker_of(loader: LoaderProfile) -> tuple[str, Place | None] | None:
    """Return the library's module that made a loader, and where; None where the user's own code made it."""
    made = loader.attributes.get("made_by")
    if isinstance(made, (list, tuple)) and len(made) == 3:
        return str(made[0]), Place(str(made[1]), int(made[2] or 0))
    module = str(loader.attributes.get("loader_class") or "")
    return (module, None) if _of(LOADER_MAKERS, module) is not None else None


def loader_edit(loader: LoaderProfile, settings: Mapping[str, object]) -> str:
    """Return the call with the settings: the DataLoader's, or that of the library that makes it."""
    made = maker_of(loader)
    if made is None:
        return f"DataLoader(..., {_words(settings)})"
    library = _of(LOADER_MAKERS, made[0])
    known = (
        {library.options[name]: value for name, value in settings.items() if name in library.options} if library else {}
    )
    if library is None or not known:
        return f"the option of {made[0].partition('.')[0]} for {_words(settings)}"
    more = f", {library.also}" if library.also and settings.get("num_workers") else ""
    return library.call.format(_words(known) + more)


def passed_by_user(
    loader: LoaderProfile, settings: Mapping[str, object]
) -> tuple[LoaderMaker, dict[str, object]] | None:
    """Return the library that makes a loader, with the settings by its own names; None where it has none of them."""
    made = maker_of(loader)
    library = _of(LOADER_MAKERS, made[0]) if made else None
    if library is None or not settings.keys() <= library.options.keys():
        return None
    return library, {library.options[name]: value for name, value in settings.items()}


def keeps_workers(loader: LoaderProfile) -> bool:
    """Say whether persistent workers can be had: the loader is one for all passes, and its maker has the option."""
    made = maker_of(loader)
    library = _of(LOADER_MAKERS, made[0]) if made else None
    return not loader.attributes.get("remade") and (
        made is None or (library is not None and "persistent_workers" in library.options)
    )


def stale_values(loader: LoaderProfile) -> str:
    """Return a further sentence where the training changes its dataset between passes: persistent workers do not see it."""
    names = loader.attributes.get("changed_values")
    if not isinstance(names, list) or not names:
        return ""
    listed = ", ".join(map(str, names[:3]))
    return (
        f" But the dataset's {listed} changes from pass to pass, and workers that persist keep the copy that they started"
        " with: pass such values with the indices (by the sampler) first, or leave the workers as they are."
    )


def who_set(loader: LoaderProfile) -> str:
    """Return a further sentence that says which library's line set the number of workers; empty for the user's own."""
    made = maker_of(loader)
    if made is None:
        return ""
    where = short(made[1]) if made[1] else made[0].partition(".")[0]
    return f" {where} makes the DataLoader, with num_workers={loader.workers}."


def refuses_workers(loader: LoaderProfile) -> str | None:
    """Return the library that makes this loader without workers because the training is on the CPU; None otherwise."""
    made = maker_of(loader)
    library = _of(LOADER_MAKERS, made[0]) if made and not loader.workers else None
    return made[0].partition(".")[0] if made and library and library.none_on_cpu else None


def draft_edit(decode: OperationProfile, scale: int) -> str | None:
    """Return how to decode at a part of the size where OpenCV decodes or a library opens the file; None where the user's own
    code opens it with Pillow."""
    if decode.name in CV2_DECODERS:
        return f"{decode.name}({CV2_DECODERS[decode.name]}, cv2.IMREAD_REDUCED_COLOR_{scale})"
    if decode.opened_by is None or decode.opened_where is None or not is_library(decode.opened_where.file):
        return None
    draft = f'.draft("RGB", (width // {scale}, height // {scale}))'
    way = _of(FILE_OPENERS, decode.opened_by)
    if way is None:
        library = decode.opened_by.partition(".")[0]
        return f"{short(decode.opened_where)} opens the file: have {library} hand over the path or bytes, open it, and {draft}"
    return way.format(draft)


def opened_by_user(decode: OperationProfile) -> Place | None:
    """Return the line of the user's that opens the file; None where a library does, or that was not recorded."""
    opened = decode.opened_where
    return None if opened is None or is_library(opened.file) else opened


def place_of_decode(loader: LoaderProfile, decode: OperationProfile) -> Place | None:
    """Return the line of the user's to act on for a decode: where his code opens the file, else where it decodes.

    Where a library does both below the call that drives the whole training, a line of the fetch in the user's own code
    is named: a call there, else the dataset's construction, else a transform's."""
    opened = opened_by_user(decode)
    driver = loader.iterated_where
    if opened is not None or driver is None or decode.where != driver:
        return opened or decode.where
    calls = [o.where for o in loader.operations if o.kind != "transform"]
    made = [o.where for o in loader.operations if o.kind == "transform"]
    own = (
        place
        for place in (*calls, loader.dataset_where, *made)
        if place and place != driver and not is_library(place.file)
    )
    return next(own, decode.where)


def short(place: Place) -> str:
    """Return a library's place from its package on: `ultralytics/data/build.py:212`."""
    package, file = package_of(place.file), place.file.replace("\\", "/")
    _, found, rest = file.rpartition(f"/{package}/")
    return f"{package}/{rest if found else file.rpartition('/')[2]}:{place.line}"


def _of(table: Mapping[str, _T], module: str) -> _T | None:
    return table.get(module.partition(".")[0])


def _words(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in settings.items())
