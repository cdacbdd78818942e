# The first line of gpuwatch in every Python of the tree, 2.7 to 3.x: it must parse in all of them, costs next to
# nothing, leaves no trace on sys.path, and gives way to the sitecustomize that would have run without it.
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping  # noqa: F401 (named in a comment)


def _enter():  # type: () -> None
    import os

    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if entry != here]
    try:
        if _wanted(os.environ):
            _arm(here)
    except Exception:
        if os.environ.get("GPUWATCH_DEBUG"):
            raise
    _chain()


def _wanted(environ):  # type: (Mapping[str, str]) -> bool
    if not environ.get("GPUWATCH_RUN") or sys.version_info < (3, 8):
        return False
    return sys.implementation.name == "cpython" and "_gpuwatch" not in sys.modules


def _arm(here):  # type: (str) -> None
    sys.path.insert(0, here)
    try:
        import _gpuwatch
    finally:
        sys.path.remove(here)
    _gpuwatch.arm(_gpuwatch.PLACED)


def _chain():  # type: () -> None
    # Errors of the user's own sitecustomize go to site.py, which reports them as it does without us.
    ours = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401
    except ImportError as error:
        if ours is not None:
            sys.modules["sitecustomize"] = ours
        if getattr(error, "name", "sitecustomize") != "sitecustomize":
            raise


_enter()
