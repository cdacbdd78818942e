"""What a batch costs is shown beside the advice to hide it with workers; symptoms of another cause are not."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.runs import DECODE, RESIZE, run_of
from gpuwatch.views import card, html, markdown
from gpuwatch.views.explained import also
from tests.builders import make_finding, make_report


def test_a_cheaper_decode_is_shown_beside_the_advice_to_load_in_workers() -> None:
    report = make_report(run_of(20.0, 20.0, workers=0, loader={"operations": (DECODE, RESIZE)}))
    assert [f.id for f in report.findings] == ["no-worker-processes"]
    assert "oversized-decode" in {f.id for f in report.suppressed}
    (line, *_) = also(report)
    assert line.startswith("images of 12 megapixels are decoded whole and then shrunk to about 224×224. Decode at 1/")
    assert "by itself, not on top of no-worker-processes (oversized-decode)" in line
    assert line in card.prepare(report).also
    assert "not on top of no-worker-processes" in html.render(report)
    assert "also images of 12 megapixels" in markdown.render(report)


def test_a_symptom_is_not_shown() -> None:
    cause = make_finding("per-item-access", explains=("no-worker-processes",))
    symptom = make_finding("no-worker-processes", edit="DataLoader(..., num_workers=2)")
    assert also(make_report(findings=(cause,), suppressed=(symptom,))) == ()
    hider = make_finding("too-few-workers", explains=("expensive-decode",))
    assert also(make_report(findings=(hider,), suppressed=(make_finding("expensive-decode", edit=None),))) == ()
