"""Remedies are offered where they can act."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.parts import make_operation
from gpuwatch.diagnosis.examples.runs import DECODE, RESIZE, run_of, with_operations
from gpuwatch.experiments import making, remedies
from gpuwatch.judged_report import report_of


def test_another_decoder_is_offered_for_what_pil_decodes_only() -> None:
    by_pil = with_operations(replace(DECODE, name="PIL.JpegImageFile.load")).primary
    by_opencv = with_operations(replace(DECODE, name="cv2.imdecode")).primary
    assert making.faster_decoder(by_pil) is not None
    assert making.faster_decoder(None) is not None, "without a report nothing speaks against it"
    assert making.faster_decoder(by_opencv) is None


def test_workers_that_a_library_takes_on_a_gpu_only_are_not_offered_on_the_cpu() -> None:
    made_by = ["ultralytics.data.build", "/v/lib/python3.11/site-packages/ultralytics/data/build.py", 404]
    refused = report_of(run_of(40.0, workers=0, loader={"attributes": {"made_by": made_by}}))
    taken = report_of(run_of(40.0, workers=0))
    assert any(remedy.name.startswith("workers=") for remedy in remedies.asked_for(taken))
    assert not any(remedy.name.startswith("workers=") for remedy in remedies.asked_for(refused))


def test_a_gain_is_predicted_for_the_remedy_that_it_is_about() -> None:
    report = report_of(with_operations(DECODE, RESIZE))
    predicted = {remedy.name: remedy.predicted for remedy in remedies.asked_for(report)}
    assert predicted["scaled-decode"] and predicted["faster-decoder"] is None


def test_items_are_not_kept_where_the_batch_costs_most() -> None:
    in_items = with_operations(make_operation("Rotate", share=0.8)).primary
    in_collate = with_operations(make_operation("tokenise", share=0.9, calls_per_sample=0.02)).primary
    assert making.cache_items(in_items) is not None and making.cache_items(in_collate) is None
