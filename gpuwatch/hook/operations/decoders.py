"""Decoding and reading functions of the libraries that this process has imported, measured as operations.

Each is keyed by the user's line that called it, so that two readers in one dataset stay apart. Lazy images are booked
when they are really decoded (`ImageFile.load` with tiles left to read), wherever that happens.
"""

import functools
import os
import sys

from ..source_code import origins
from . import registry
from .patches import Attribute

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

    def __init__(self, patches):
        self._patches = patches
        self._done = set()

    def scan(self):
        """Measure the decoders of the modules that are imported by now."""
        for module_name, names in _FUNCTIONS.items():
            module = sys.modules.get(module_name)
            if module is not None and module_name not in self._done:
                self._done.add(module_name)
                self._functions(module, names)
        for module_name, class_name, method in _METHODS:
            cls = getattr(sys.modules.get(module_name), class_name, None)
            if isinstance(cls, type) and cls not in self._done:
                self._done.add(cls)
                self._method(cls, method, "h5py.Dataset read")
        for module_name, names in _IMAGE_FUNCTIONS.items():
            module = sys.modules.get(module_name)
            if module is not None and (module_name, "image") not in self._done:
                self._done.add((module_name, "image"))
                self._image_calls(module, names, module_name)
        for module_name, class_name, names in _IMAGE_METHODS:
            cls = getattr(sys.modules.get(module_name), class_name, None)
            if isinstance(cls, type) and (cls, "image") not in self._done:
                self._done.add((cls, "image"))
                self._image_calls(cls, names, "PIL.%s" % class_name)
        self._images()

    def _image_calls(self, owner, names, prefix):
        for name in names:
            genuine = registry.original(vars(owner).get(name))
            if callable(genuine):
                replacement = _measured_image_call(genuine, "%s.%s" % (prefix, name))
                self._patches.add(Attribute(owner, name, replacement))

    def _functions(self, module, names):
        for name in names:
            genuine = registry.original(getattr(module, name, None))
            if callable(genuine):
                label = "%s.%s" % (module.__name__.replace(".image", ""), name)
                self._patches.add(Attribute(module, name, _measured_reader(genuine, label)))

    def _method(self, cls, method, label):
        genuine = registry.original(getattr(cls, method))
        self._patches.add(Attribute(cls, method, _measured_reader(genuine, label)))

    def _images(self):
        root = getattr(sys.modules.get("PIL.ImageFile"), "ImageFile", None)
        if root is None:
            return
        for cls in [root] + _descendants(root):
            if cls not in self._done and "load" in vars(cls):
                self._done.add(cls)
                self._patches.add(Attribute(cls, "load", _measured_load(registry.original(cls.load))))
            self._done.add(cls)


def _descendants(root):
    found = list(root.__subclasses__())
    for cls in found:
        found.extend(sub for sub in cls.__subclasses__() if sub not in found)
    return found


def _measured_reader(genuine, label):
    library = _package_folder(genuine, label)

    @functools.wraps(genuine)
    def measured(*args, **kwargs):
        tally = registry.stage.tally
        if tally is None:
            return genuine(*args, **kwargs)
        operation = _operation(label, sys._getframe(1), library, None)
        source = args[0] if args else None
        return registry.run(tally, operation, genuine, args, kwargs, None, bytes_in=_size_of(source))

    measured._gpuwatch_original = genuine
    return measured


def _measured_image_call(genuine, label):
    library = _package_folder(genuine, label)

    @functools.wraps(genuine)
    def measured(*args, **kwargs):
        tally = registry.stage.tally
        if tally is None or tally.running is not None or not args:
            return genuine(*args, **kwargs)
        operation = _operation(label, sys._getframe(1), library, None, "transform")
        # In-place methods give None: then the image itself is what came out.
        product = args[0] if label.endswith(".thumbnail") else None
        return registry.run(tally, operation, genuine, args, kwargs, args[0], product=product)

    measured._gpuwatch_original = genuine
    return measured


def _measured_load(genuine):
    library = os.path.dirname(genuine.__code__.co_filename) + os.sep

    @functools.wraps(genuine)
    def load(self):
        tally = registry.stage.tally
        # Loaded already, or a subclass's load calling ImageFile's: nothing of its own to book.
        if tally is None or not self.tile or getattr(tally.running, "kind", None) == "decode":
            return genuine(self)
        operation = _operation("PIL.%s.load" % type(self).__name__, sys._getframe(1), library, _image_facts(self))
        return registry.run(
            tally, operation, genuine, (self,), {}, None, _size_of(self), _full_pixels(self), product=self
        )

    load._gpuwatch_original = genuine
    return load


def _operation(label, frame, library, detail, kind="decode"):
    place = origins.user_frame(frame, library)
    key = (kind, label, place, None if not detail else detail.get("draft"))
    found = registry.book.find(key)
    return found if found is not None else registry.book.add(key, kind, label, place, detail or {}, of_class=label)


def _image_facts(image):
    return {"format": image.format, "draft": _draft_scale(image)}


def _draft_scale(image):
    config = getattr(image, "decoderconfig", ())
    scale = config[0] if isinstance(config, tuple) and config and image.format == "JPEG" else 1
    return scale if isinstance(scale, int) and scale > 1 else None


def _full_pixels(image):
    width, height = image.size
    scale = _draft_scale(image) or 1
    return width * height * scale * scale


def _size_of(source):
    """Return the bytes behind a path, buffer, tensor, file object or PIL image; None when it is not cheap to tell."""
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


def _package_folder(genuine, label):
    module = sys.modules.get(getattr(genuine, "__module__", None) or label.split(".")[0]) or sys.modules.get(
        label.split(".")[0]
    )
    path = getattr(module, "__file__", None)
    return os.path.dirname(path) + os.sep if path else None
