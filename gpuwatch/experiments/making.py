"""How each remedy is made to fit the loader that was seen: its settings, the hook's parameters, the edit, the change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gpuwatch.diagnosis.frameworks import (
    CV2_DECODERS,
    draft_edit,
    loader_edit,
    maker_of,
    opened_by_user,
    passed_by_user,
)
from gpuwatch.diagnosis.image_sizes import decoders, early_operations, first_shrink, shrinking_operation, usable_scale
from gpuwatch.experiments import edits
from gpuwatch.experiments.changes import Change
from gpuwatch.experiments.remedy import Remedy
from gpuwatch.model.loader_profile import LoaderProfile, OperationProfile
from gpuwatch.model.measures import Place
from gpuwatch.words.images import has_no_scaled_decode

# Operations that turn an image into floats: four times the bytes for whatever comes after.
TO_FLOAT = ("ToTensor", "ToDtype", "ConvertImageDtype", "ConvertDtype")
# More than this share of a fetch outside of the items is what keeping items does not save.
MOSTLY = 0.5
Make = Callable[[LoaderProfile | None], Remedy | None]


def settings(epochs: bool = False, **loader: Any) -> Make:
    return lambda seen: with_settings(seen, loader, epochs)


def with_settings(seen: LoaderProfile | None, loader: dict[str, Any], epochs: bool = False) -> Remedy:
    return Remedy(
        "", loader=loader, edit=_loader_edit(seen, loader), epochs=epochs, change=_loader_change(seen, loader)
    )


def _loader_change(seen: LoaderProfile | None, settings: dict[str, Any]) -> Change:
    """Return the change of the loader's call, or of what the user's code passes to the library that makes it."""
    if seen is None or maker_of(seen) is None:
        return _at(seen.created_where if seen else None, Change("loader", words=_as_code(settings)))
    if (maker_of(seen) or ("",))[0].startswith("hydra"):
        return Change("by hand", why=f"Hydra makes the DataLoader: {_override(settings)} on the command line")
    passed = passed_by_user(seen, settings)
    if passed is None or not (passed[0].function or passed[0].base):
        return Change("by hand", why=f"a library makes the DataLoader: {loader_edit(seen, settings)}")
    library, words = passed
    code = _as_code(words)
    if library.also and settings.get("num_workers"):
        name, _, value = library.also.partition("=")
        code[name] = value
    if library.base:
        return Change("derived class", name=library.base, words=code)
    return Change("call", name=library.function, words=code)


def _at(place: Place | None, change: Change) -> Change:
    return replace(change, file=place.file, line=place.line) if place else change


def _override(settings: Mapping[str, object]) -> str:
    """Return the overrides of the loader's node in the configuration, whose key is the user's."""
    return (
        " ".join(f"++KEY.{name}={value}" for name, value in settings.items())
        + ", KEY being its place in the configuration,"
    )


def _as_code(settings: Mapping[str, object]) -> dict[str, str]:
    return {name: repr(value) for name, value in settings.items()}


def _loader_edit(seen: LoaderProfile | None, settings: dict[str, Any]) -> str:
    """Return the edit of the loader's constructor call, or of what the library that makes it takes."""
    if seen is not None and maker_of(seen) is not None:
        return f"+ {loader_edit(seen, settings)}"
    return edits.loader_call(_made_at(seen), settings)


def _made_at(seen: LoaderProfile | None) -> tuple[str, int] | None:
    place = seen.created_where if seen else None
    return (place.file, place.line) if place else None


def one_thread(seen: LoaderProfile | None) -> Remedy:
    loader = {"worker_init_fn": edits.Code("one_thread")}
    edit = "+ def one_thread(worker):\n+     cv2.setNumThreads(0)  # and torch.set_num_threads(1), OMP_NUM_THREADS=1\n"
    change = _at(seen.created_where if seen else None, Change("one thread"))
    if seen is not None and maker_of(seen) is not None:
        change = Change(
            "by hand", why="a library makes the DataLoader: set OMP_NUM_THREADS=1, or the threads in the dataset"
        )
    return Remedy("", hook="single-threaded-workers", edit=edit + _loader_edit(seen, loader), change=change)


def scaled(seen: LoaderProfile | None) -> Remedy | None:
    decode = _decode(seen)
    if decode is not None and has_no_scaled_decode(decode.name):
        return None
    scale = max(usable_scale(decode, first_shrink(seen, decode)) if seen and decode else 2, 2)
    library = draft_edit(decode, scale) if decode else None
    place = (opened_by_user(decode) or decode.where) if decode else None
    edit = f"+ {library}" if library else edits.scaled_decode(place, scale)
    change = _at(place, Change("draft", scale=scale))
    if decode is not None and decode.name in CV2_DECODERS:
        change = replace(change, kind="reduced")
    elif library:
        change = Change("by hand", why=library)
    return Remedy("", hook="scaled-decode", parameters={"scale": scale}, edit=edit, change=change)


def faster_decoder(seen: LoaderProfile | None) -> Remedy | None:
    """Return the remedy, or None when the profile shows that images are not opened by PIL, whose place it takes."""
    decode = _decode(seen)
    if decode is not None and not decode.name.startswith("PIL."):
        return None
    return by_hand("faster-decoder", edits.FASTER_DECODER, "what the call of the decoder is given has to be known")(
        seen
    )


def cache_items(seen: LoaderProfile | None) -> Remedy | None:
    """Return the remedy, or None when the profile shows that most of a batch's cost is not in its items."""
    if seen is not None and sum(o.share for o in seen.operations if o.works_on_batches) > MOSTLY:
        return None
    why = "where the items are kept, and that memory holds them, is for you to decide"
    return by_hand("cache-items", edits.CACHE, why)(seen)


def _decode(seen: LoaderProfile | None) -> OperationProfile | None:
    return next(iter(decoders(seen)), None) if seen else None


def shrink_first(seen: LoaderProfile | None) -> Remedy:
    shrink = shrinking_operation(seen) if seen else None
    early = [_class(o.name) for o in early_operations(seen, shrink)] if seen and shrink else []
    name = _class(shrink.name) if shrink else ""
    edit = edits.moved_first(shrink.where if shrink else None, name or "Resize", early)
    change = _order_change(shrink, name, early)
    return Remedy("", hook="shrink-first", parameters={"shrink": name, "before": early}, edit=edit, change=change)


def _order_change(shrink: OperationProfile | None, name: str, early: Sequence[str]) -> Change:
    return _at(shrink.where if shrink else None, Change("order", name=name, early=tuple(early)))


def resize_before_float(seen: LoaderProfile | None) -> Remedy | None:
    """Return the remedy, or None when the profile shows that no resize comes after a conversion to float."""
    ordered = sorted((o for o in (seen.operations if seen else ()) if o.position is not None), key=_position)
    names = [_class(o.name) for o in ordered]
    floats = [name for name in names if name in TO_FLOAT]
    resize = next((o for o in ordered if "Resize" in o.name), None)
    if names and (not floats or resize is None or names.index(floats[0]) > names.index(_class(resize.name))):
        return None
    edit = edits.moved_first(resize.where if resize else None, "Resize", floats or ["ToTensor"])
    change = _order_change(resize, _class(resize.name) if resize else "Resize", floats)
    return Remedy("", hook="resize-before-float", parameters={"before": list(TO_FLOAT)}, edit=edit, change=change)


def _position(operation: OperationProfile) -> int:
    return operation.position or 0


def _class(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def by_hand(name: str, edit: str, why: str) -> Make:
    return lambda seen: Remedy("", hook=name, edit=edit, change=Change("by hand", why=why))


def optimizer(option: str) -> Make:
    change = Change("optimizer", words={option: "True"})
    return lambda seen: Remedy("", hook=f"{option}-optimizer", edit=f"+ AdamW(..., {option}=True)", change=change)


def non_blocking(seen: LoaderProfile | None) -> Remedy:
    setting = {"pin_memory": True}
    change = Change("by hand", why="the copies of the loop have to be given non_blocking=True")
    edit = f"{_loader_edit(seen, setting)}\n{edits.NON_BLOCKING}"
    return Remedy("", loader=setting, hook="non-blocking-copies", edit=edit, change=change)


def trainer_threads(seen: LoaderProfile | None, number: int) -> Remedy:
    call = f"torch.set_num_threads({number})"
    change = _at(seen.created_where if seen else None, Change("at the top", words={"torch": call}))
    return Remedy("", hook="trainer-threads", parameters={"threads": number}, edit=f"+ {call}", change=change)
