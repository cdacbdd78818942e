"""Decoding and reading functions of the libraries that this process has imported, measured as operations.

Each is keyed by the user's line that called it, so that two readers in one dataset stay apart. Lazy images are counted
when they are really decoded (`ImageFile.load` with tiles left to read), wherever that happens.
"""

from __future__ import annotations

import functools
import os
import sys

from ...words.images import COPYING
from ..attributes import measures, original
from ..process import TYPE_CHECKING
from ..source_code import origins
from .containers import family
from .patches import Attribute
from .registry import registry
from .timing import run, thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType
    from typing import Any

    from .patches import Patches
    from .registry import Operation
    from .timing import Opener

# module -> functions that decode or read a file whole
_FUNCTIONS = {
    "cv2": ("imread", "imdecode"),
    "torchvision.io.image": (
        "decode_image", "decode_jpeg", "decode_png", "decode_gif", "decode_webp", "decode_avif", "decode_heic", "read_image", "read_file",
    ),
    "torchvision.io": (
        "decode_image", "decode_jpeg", "decode_png", "decode_gif", "decode_webp", "decode_avif", "decode_heic", "read_image", "read_file",
    ),
    "numpy": ("load", "loadtxt", "genfromtxt"),
    "soundfile": ("read",),
    "torchaudio": ("load",),
    "librosa": ("load",),
    "imageio": ("imread",),
    "imageio.v2": ("imread",),
    "imageio.v3": ("imread",),
    "tifffile": ("imread",),
    "simplejpeg": ("decode_jpeg",),
    "nibabel": ("load",),
    "pydicom": ("dcmread",),
}  # fmt: skip
_METHODS = (("h5py._hl.dataset", "Dataset", "__getitem__"),)
# Image functions that a dataset calls by itself; inside a transform they are that transform's.
_IMAGE_FUNCTIONS = {"cv2": ("resize", "warpAffine", "cvtColor", "GaussianBlur")}
_IMAGE_METHODS = (("PIL.Image", "Image", ("resize", "rotate", "thumbnail")),)


class Decoders:
    """Registers the replacements with `patches`; `scan` again when modules have been imported since."""

    def __init__(self, patches: Patches) -> None:
        self._patches = patches
        self._done: set[Any] = set()

    def scan(self) -> None:
        """Measure the decoders of the modules that are imported by now."""
        for module_name, names in _FUNCTIONS.items():
            module = sys.modules.get(module_name)
            if module is not None and self._is_new(module_name):
                self._functions(module, names)
        for module_name, class_name, method in _METHODS:
            cls = getattr(sys.modules.get(module_name), class_name, None)
            if isinstance(cls, type) and self._is_new(cls):
                self._add(cls, method, _measured_reader(original(getattr(cls, method)), "h5py.Dataset read"))
        for module_name, names in _IMAGE_FUNCTIONS.items():
            module = sys.modules.get(module_name)
            if module is not None and self._is_new((module_name, "image")):
                self._image_calls(module, names, module_name)
        for module_name, class_name, names in _IMAGE_METHODS:
            cls = getattr(sys.modules.get(module_name), class_name, None)
            if isinstance(cls, type) and self._is_new((cls, "image")):
                self._image_calls(cls, names, f"PIL.{class_name}")
        for module_name, class_name, names in COPYING:  # part of decoding, when a dataset calls it by itself
            cls = getattr(sys.modules.get(module_name), class_name, None)
            if isinstance(cls, type) and self._is_new((cls, "copy")):
                self._image_calls(cls, names, f"PIL.{class_name}", "decode")
        self._images()

    def _is_new(self, key: object) -> bool:
        if key in self._done:
            return False
        self._done.add(key)
        return True

    def _add(self, owner: object, name: str, replacement: object) -> None:
        self._patches.add(Attribute(owner, name, replacement))

    def _functions(self, module: Any, names: Iterable[str]) -> None:
        for name in names:
            reader = original(getattr(module, name, None))
            if callable(reader):
                package = module.__name__.replace(".image", "")
                self._add(module, name, _measured_reader(reader, f"{package}.{name}"))

    def _image_calls(self, owner: object, names: Iterable[str], prefix: str, kind: str = "transform") -> None:
        for name in names:
            call = original(vars(owner).get(name))
            if callable(call):
                self._add(owner, name, _measured_image_call(call, f"{prefix}.{name}", kind))

    def _images(self) -> None:
        root = getattr(sys.modules.get("PIL.ImageFile"), "ImageFile", None)
        if root is None:
            return
        for cls in family(root):
            if self._is_new(cls) and "load" in vars(cls):
                self._add(cls, "load", _measured_load(original(vars(cls)["load"])))
        if self._is_new((root, "__init__")):
            self._add(root, "__init__", _remembered_opening(original(vars(root)["__init__"])))


def _measured_reader(reader: Callable[..., Any], label: str) -> Callable[..., Any]:
    library = _package_folder(reader, label)

    @functools.wraps(reader)
    def measured(*args: Any, **kwargs: Any) -> Any:
        counters = thread.counters
        if counters is None:
            return reader(*args, **kwargs)
        operation = _operation(label, sys._getframe(1), library, None)
        source = args[0] if args else None
        return run(counters, operation, reader, args, kwargs, None, bytes_in=_size_of(source))

    return measures(reader, measured)


def _remembered_opening(constructor: Any) -> Callable[..., Any]:
    """Return the constructor of images of files, with a note of who opened the file: the first caller outside Pillow."""
    library = os.path.dirname(constructor.__code__.co_filename) + os.sep

    @functools.wraps(constructor)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        counters = thread.counters
        if counters is not None:
            caller: FrameType | None = sys._getframe(1)
            while caller is not None and caller.f_code.co_filename.startswith((library, origins.HOOK)):
                caller = caller.f_back
            if caller is not None:
                counters.opener = caller.f_globals.get("__name__"), caller.f_code, caller.f_lineno
        constructor(self, *args, **kwargs)

    return measures(constructor, __init__)


def _measured_image_call(call: Callable[..., Any], label: str, kind: str) -> Callable[..., Any]:
    library = _package_folder(call, label)

    @functools.wraps(call)
    def measured(*args: Any, **kwargs: Any) -> Any:
        counters = thread.counters
        if counters is None or counters.running is not None or not args:
            return call(*args, **kwargs)
        operation = _operation(label, sys._getframe(1), library, None, kind)
        # In-place methods give None: then the image itself is what came out.
        product = args[0] if label.endswith(".thumbnail") else None
        return run(counters, operation, call, args, kwargs, args[0], product=product)

    return measures(call, measured)


def _measured_load(method: Any) -> Callable[..., Any]:
    library = os.path.dirname(method.__code__.co_filename) + os.sep

    @functools.wraps(method)
    def load(self: Any) -> Any:
        counters = thread.counters
        # Loaded already, or a subclass's load calling ImageFile's: nothing of its own to count.
        if counters is None or not self.tile or getattr(counters.running, "name", "").endswith(".load"):
            return method(self)
        facts = _image_facts(self, counters.opener)
        operation = _operation(f"PIL.{type(self).__name__}.load", sys._getframe(1), library, facts)
        return run(counters, operation, method, (self,), {}, None, _size_of(self), _full_pixels(self), product=self)

    return measures(method, load)


def _operation(
    label: str, frame: FrameType, library: str | None, detail: dict[str, Any] | None, kind: str = "decode"
) -> Operation:
    place = origins.user_frame(frame, library)
    key = (kind, label, place, None if not detail else detail.get("draft"))
    found = registry.find(key)
    return found if found is not None else registry.add(key, kind, label, place, detail or {}, of_class=label)


def _image_facts(image: Any, opener: Opener | None) -> dict[str, Any]:
    opened = [opener[0], opener[1].co_filename, opener[2]] if opener else None
    return {"format": image.format, "draft": _draft_scale(image), "opened": opened}


def _draft_scale(image: Any) -> int | None:
    config = getattr(image, "decoderconfig", ())
    scale = config[0] if isinstance(config, tuple) and config and image.format == "JPEG" else 1
    return scale if isinstance(scale, int) and scale > 1 else None


def _full_pixels(image: Any) -> int:
    width, height = image.size
    scale = _draft_scale(image) or 1
    return int(width * height * scale * scale)


def _size_of(source: Any) -> int | None:
    """Return the bytes behind a path, buffer, tensor, file object or PIL image; None when finding out is not cheap."""
    try:
        if isinstance(source, (str, os.PathLike)):
            return os.stat(source).st_size
        if isinstance(source, (bytes, bytearray, memoryview)):
            return len(source)
        if hasattr(source, "nbytes"):
            return int(source.nbytes)
        file = getattr(source, "fp", source)
        return file.getbuffer().nbytes if hasattr(file, "getbuffer") else os.fstat(file.fileno()).st_size
    except Exception:
        return None


def _package_folder(function: object, label: str) -> str | None:
    module = sys.modules.get(getattr(function, "__module__", None) or label.split(".")[0]) or sys.modules.get(
        label.split(".")[0]
    )
    path = getattr(module, "__file__", None)
    return os.path.dirname(path) + os.sep if path else None
