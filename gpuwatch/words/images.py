"""Methods of images that hand decoded pixels on in another form: they copy every pixel, and read no file."""

from __future__ import annotations

# Module, class, methods.
COPYING = (("PIL.Image", "Image", ("convert", "tobytes")),)


def is_copy(operation: str) -> bool:
    """Say whether an operation, by its name, is such a method."""
    return operation in {f"PIL.{cls}.{method}" for _, cls, methods in COPYING for method in methods}
