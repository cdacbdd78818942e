"""What operations on images do, by their names."""

from __future__ import annotations

# Module, class, methods that hand decoded pixels on in another form: they copy every pixel, and read no file.
COPYING = (("PIL.Image", "Image", ("convert", "tobytes")),)


def is_copy(operation: str) -> bool:
    """Say whether an operation, by its name, is such a method."""
    return operation in {f"PIL.{cls}.{method}" for _, cls, methods in COPYING for method in methods}


def has_no_scaled_decode(operation: str) -> bool:
    """Say whether an operation is Pillow's decoding of a format that it cannot decode at a part of the size."""
    return operation.startswith("PIL.") and not operation.startswith(("PIL.Jpeg", "PIL.Mpo"))
