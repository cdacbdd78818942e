"""Remedies are offered where they can act."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.runs import DECODE, with_operations
from gpuwatch.experiments import making


def test_another_decoder_is_offered_for_what_pil_decodes_only() -> None:
    by_pil = with_operations(replace(DECODE, name="PIL.JpegImageFile.load")).primary
    by_opencv = with_operations(replace(DECODE, name="cv2.imdecode")).primary
    assert making.faster_decoder(by_pil) is not None
    assert making.faster_decoder(None) is not None, "without a report nothing speaks against it"
    assert making.faster_decoder(by_opencv) is None
