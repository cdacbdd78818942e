"""The device double in torch: `load` makes it the accelerator of this process, under the name `fakegpu`."""

from __future__ import annotations

import sys
import types

import torch

NAME = "fakegpu"


def load(library: str) -> None:
    """Register the device with torch; nothing is initialised before its first tensor."""
    torch.utils.rename_privateuse1_backend(NAME)
    torch.ops.load_library(library)  # type: ignore[no-untyped-call]
    module = types.ModuleType(f"torch.{NAME}")
    module.__dict__.update(
        is_available=lambda: True,
        is_initialized=torch.ops.fakegpu.is_initialized,
        device_count=lambda: 1,
        current_device=lambda: 0,
        get_device_name=lambda device=None: "Fake GPU",
        manual_seed_all=lambda seed: None,
        _is_in_bad_fork=lambda: False,
    )
    torch._register_device_module(NAME, module)
    sys.modules[f"torch.{NAME}"] = module
