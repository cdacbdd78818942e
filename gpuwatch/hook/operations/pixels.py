"""How many pixels (or elements, where it is no image) a value has; cheap enough to ask on every call."""

_readers = {}
_FEW_CHANNELS = 4
_IMAGE_KEYS = ("image", "img", "images", "pixel_values")


def pixels(value):
    """Return the pixels of an image, tensor, array, or of the first of them in a dict or tuple; None for the rest."""
    kind = type(value)
    try:
        return _readers[kind](value)
    except KeyError:
        _readers.setdefault(kind, _reader_for(kind))
    except Exception:
        return None
    try:
        return _readers[kind](value)
    except Exception:
        return None


def _reader_for(kind):
    if issubclass(kind, dict):
        return _of_dict
    if issubclass(kind, (tuple, list)):
        return _of_first
    names = {"%s.%s" % (base.__module__, base.__name__) for base in kind.__mro__}
    if "PIL.Image.Image" in names:
        return _of_image
    if names & {"torch.Tensor", "torch._tensor.Tensor", "numpy.ndarray"}:
        return _of_shape
    return _unknown


def _unknown(_value):
    return None


def _of_image(value):
    width, height = value.size
    return width * height


def _of_shape(value):
    shape = value.shape
    count = len(shape)
    if count == 3:
        first, second, third = shape
        return second * third if first <= _FEW_CHANNELS else _of_planes(first, second, third)
    if count == 2:
        return shape[0] * shape[1]
    if count == 4:
        return shape[0] * _of_planes(shape[1], shape[2], shape[3])
    total = 1
    for size in shape:
        total *= size
    return total


def _of_planes(first, second, third):
    if first <= _FEW_CHANNELS:
        return second * third
    if third <= _FEW_CHANNELS:
        return first * second
    return first * second * third


def _of_dict(value):
    for key in _IMAGE_KEYS:
        if key in value:
            return pixels(value[key])
    return None


def _of_first(value):
    return pixels(value[0]) if value and not isinstance(value[0], (tuple, list, dict)) else None
