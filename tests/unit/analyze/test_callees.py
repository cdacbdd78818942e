from __future__ import annotations

import pytest

from gpuwatch.analyze.lines.callees import callee
from gpuwatch.analyze.lines.frames import Frame, imports

SITE = "/venv/lib/python3.11/site-packages"
LIB = "/usr/lib/python3.11"
MODULE = [(f"Module.{name}", f"{SITE}/torch/nn/modules/module.py") for name in ("_wrapped_call_impl", "_call_impl")]


@pytest.mark.parametrize(
    ("calls", "name"),
    [
        ([], None),
        ([("ZipFile.__init__", f"{LIB}/zipfile.py"), ("ZipFile._RealGetContents", f"{LIB}/zipfile.py")], "zipfile ZipFile"),
        ([("ZipFile.read", f"{LIB}/zipfile.py"), ("ZipExtFile.read", f"{LIB}/zipfile.py")], "zipfile read"),
        ([("Image.convert", f"{SITE}/PIL/Image.py"), ("Image.copy", f"{SITE}/PIL/Image.py")], "PIL convert"),
        ([("Image.convert", f"{SITE}/PIL/Image.py"), ("ImageFile.load", f"{SITE}/PIL/ImageFile.py")], "PIL decode"),
        ([("convert", f"{SITE}/PIL/Image.py"), ("load", f"{SITE}/PIL/ImageFile.py")], "PIL decode"),
        ([("_LocationIndexer.__getitem__", f"{SITE}/pandas/core/indexing.py"),
          ("_iLocIndexer._getitem_axis", f"{SITE}/pandas/core/indexing.py")], "pandas iloc"),
        ([("_LocationIndexer.__getitem__", f"{SITE}/pandas/core/indexing.py")], "pandas LocationIndexer"),
        ([("Series.__getitem__", f"{SITE}/pandas/core/series.py")], "pandas Series"),
        ([("__getitem__", f"{SITE}/pandas/core/series.py")], "pandas series"),
        ([("Compose.__call__", f"{SITE}/torchvision/transforms/transforms.py"), *MODULE,
          ("Resize.forward", f"{SITE}/torchvision/transforms/transforms.py"), ("Image.resize", f"{SITE}/PIL/Image.py")],
         "torchvision Resize"),
        ([("Compose.__call__", f"{SITE}/torchvision/transforms/transforms.py")], "torchvision Compose"),
        ([*MODULE, ("Linear.forward", f"{SITE}/torch/nn/modules/linear.py")], "torch Linear"),
        ([("Tensor.backward", f"{SITE}/torch/_tensor.py"), ("backward", f"{SITE}/torch/autograd/__init__.py"),
          ("_engine_run_backward", f"{SITE}/torch/autograd/graph.py")], "torch backward"),
        ([("Dataset.__init__.<locals>.<listcomp>", f"{SITE}/h5py/_hl/dataset.py")], "h5py __init__"),
        ([("ForkingPickler.dumps", f"{LIB}/multiprocessing/reduction.py")], "multiprocessing pickling"),
        ([("<lambda>", f"{SITE}/numpy/core.py")], "numpy core"),
        ([("stack", "<__array_function__>")], None),
    ],
)  # fmt: skip
def test_people_recognise_what_was_called(calls, name):
    found = callee(tuple(Frame(function, file, 1) for function, file in calls))
    assert (found and str(found)) == name


def test_an_import_is_told_by_its_machinery():
    loading = (
        Frame("_find_and_load", "<frozen importlib._bootstrap>", 1176),
        Frame("<module>", f"{SITE}/torch/__init__.py", 1),
    )
    assert imports(loading)
    assert not imports(())
    assert not imports((Frame("load", f"{SITE}/importlib_metadata/__init__.py", 3),))
