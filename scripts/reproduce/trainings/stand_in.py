"""A device where there is none: a layer that lets the time go by that a device would compute, and leaves the CPU alone."""

import time

import torch
from torch import nn


class _DeviceTime(torch.autograd.Function):
    @staticmethod
    def forward(context, values, seconds):
        context.seconds = seconds
        time.sleep(seconds / 3)
        return values.view_as(values)

    @staticmethod
    def backward(context, gradient):
        time.sleep(context.seconds * 2 / 3)
        return gradient, None


class StandIn(nn.Module):
    """A network of `outputs` numbers per image whose step takes `device_ms`: a third forward, two thirds backward."""

    def __init__(self, outputs, device_ms):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.last = nn.Linear(3 * 16, outputs)
        self.seconds = device_ms / 1000

    def forward(self, images):
        # After the weights: what comes before them needs no gradient, and backward would not pass here.
        return _DeviceTime.apply(self.last(self.pool(images).flatten(1)), self.seconds)
