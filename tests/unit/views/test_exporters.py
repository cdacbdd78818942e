"""What other tools read: each format parsed back, with an eye on what may not be in it."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from gpuwatch.diagnosis.examples.parts import make_device, make_hot_line, make_loader, make_profile, make_run
from gpuwatch.model.hot_lines import Callee, HotLine, StackQuality
from gpuwatch.model.measures import Place
from gpuwatch.model.metrics import CATALOGUE, LIMITS
from gpuwatch.model.timeline import Lane, Timeline
from gpuwatch.views import junit, line_tables, lines, markdown, perfetto, prometheus, sarif, series, speedscope
from gpuwatch.words.lanes import STEP, LaneKind
from gpuwatch.words.units import UNITS
from tests.builders import make_finding, make_report

SAMPLE = re.compile(r'^([a-z_:][a-z0-9_:]*)\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\} (-?[0-9.e+-]+)$')


def test_every_prometheus_line_is_well_formed_and_every_name_declared_once() -> None:
    report = make_report(devices=(make_device(),), run=make_run(name='a "name"\\ with\nall'))
    declared: list[str] = []
    for line in prometheus.render(report).splitlines():
        if line.startswith("# TYPE "):
            declared.append(line.split()[2])
        elif not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, line
            assert match[1] == declared[-1]
    assert len(declared) == len(set(declared)) > 20


def test_what_was_not_measured_is_absent_and_zero_is_there() -> None:
    text = prometheus.render(
        make_report(make_profile(make_loader(gpu_wait_ms=None)), devices=(make_device(busy=0.0, sm_active=None),))
    )
    assert re.search(r"^gpuwatch_device_busy_ratio\{.*\} 0$", text, re.MULTILINE)
    assert "gpuwatch_device_sm_active" not in text and "gpuwatch_loader_gpu_wait" not in text


def test_base_units() -> None:
    text = prometheus.render(make_report())
    assert re.search(r'^gpuwatch_loader_wait_seconds\{.*loader="r0.l0".*\} 0\.005$', text, re.MULTILINE)
    assert re.search(r"^gpuwatch_input_wait_ratio\{.*\} 0\.33$", text, re.MULTILINE)


def test_the_catalogue_names_nothing_twice() -> None:
    exported = [metric.prometheus_name for metric in CATALOGUE if metric.exported]
    names = [name for metric in CATALOGUE for name in (metric.name, *metric.aliases)]
    assert len(set(exported)) == len(exported) and len(set(names)) == len(names)
    assert all(metric.about.endswith(".") for metric in CATALOGUE)
    assert all(UNITS[metric.unit].limits for metric in LIMITS.values())


def test_readings_have_the_labels_that_are_declared() -> None:
    report = make_report(devices=(make_device(),))
    for metric in CATALOGUE:
        assert {tuple(reading.labels) for reading in metric.reader.readings(report)} <= {metric.reader.labels}


def test_the_trace_has_every_lane_and_only_finite_numbers() -> None:
    trace = json.loads(perfetto.render(make_report()))
    events = trace["traceEvents"]
    assert {event["ph"] for event in events} == {"M", "C", "X", "i"}
    assert {event["args"]["name"] for event in events if event["name"] == "process_name"} == {"rank 0", "machine"}
    spans = [event for event in events if event["ph"] == "X"]
    assert (spans[0]["ts"], spans[0]["dur"]) == (3.0e6, 5.0e6)
    assert all(event["dur"] >= 0 for event in spans)


def test_a_counter_has_no_value_where_nothing_was_measured() -> None:
    lane = Lane(STEP, (0.0, 1.0, 2.0), (1.0, None, float("nan")), rank=0)
    trace = perfetto.to_trace(make_report(timeline=Timeline(3.0, (lane,))))
    assert [event["ts"] for event in trace["traceEvents"] if event["ph"] == "C"] == [0.0]


def test_speedscope_profiles_point_into_the_frames() -> None:
    stack = (
        Place("/p/train.py", 10, "main"),
        Place("/t/fetch.py", 52, "fetch"),
        Place("/home/me/project/data.py", 48, "__getitem__"),
        Place("/pil/Image.py", 300, "load"),
    )
    report = make_report(
        hot_lines=(make_hot_line(stack=stack), make_hot_line(process_role="trainer", line=3, seconds=2.5))
    )
    profile = json.loads(speedscope.render(report))
    frames = profile["shared"]["frames"]
    worker, trainer = profile["profiles"]
    assert [frames[i]["name"] for i in worker["samples"][0]] == ["main", "fetch", "__getitem__", "load"]
    assert frames[worker["samples"][0][-1]] == {"name": "load", "file": "/pil/Image.py", "line": 300}
    assert (trainer["weights"], trainer["endValue"]) == ([2.5], 2.5)


# What www.speedscope.app's own schema asks of a sampled profile.
NUMBERS = {"type": "array", "items": {"type": "number"}}
SAMPLED = {
    "type": "object",
    "required": ["type", "name", "unit", "startValue", "endValue", "samples", "weights"],
    "properties": {
        "type": {"const": "sampled"},
        "name": {"type": "string"},
        "unit": {"enum": ["bytes", "microseconds", "milliseconds", "nanoseconds", "none", "seconds"]},
        "startValue": {"type": "number"},
        "endValue": {"type": "number"},
        "samples": {"type": "array", "items": NUMBERS},
        "weights": NUMBERS,
    },
}
FRAME = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "file": {"type": "string"}, "line": {"type": "number"}},
}
SPEEDSCOPE = {
    "type": "object",
    "required": ["$schema", "profiles", "shared"],
    "properties": {
        "$schema": {"const": "https://www.speedscope.app/file-format-schema.json"},
        "activeProfileIndex": {"type": "number"},
        "exporter": {"type": "string"},
        "name": {"type": "string"},
        "profiles": {"type": "array", "items": SAMPLED},
        "shared": {
            "type": "object",
            "required": ["frames"],
            "properties": {"frames": {"type": "array", "items": FRAME}},
        },
    },
}


def test_speedscope_would_open_it() -> None:
    import jsonschema

    stack = (
        Place("/my photos (old)/train.py", 10, "main"),
        Place("/tv/folder.py", 245, "DatasetFolder.__getitem__"),
        Place("", 0, "no place"),
    )
    made = make_hot_line(stack=stack, makes="ImageFolder", line=12)
    report = make_report(hot_lines=(made, make_hot_line(process_role="trainer", stack=())))
    profile = json.loads(speedscope.render(report))
    jsonschema.validate(profile, SPEEDSCOPE)
    frames = profile["shared"]["frames"]
    assert [(frame["file"], frame["line"]) for frame in frames][:3] == [
        ("/my photos (old)/train.py", 10), ("/tv/folder.py", 245), ("", 0),
    ]  # fmt: skip
    for one in profile["profiles"]:
        assert len(one["samples"]) == len(one["weights"])
        assert all(0 <= index < len(frames) for sample in one["samples"] for index in sample)


def drawn(what: RenderableType, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False, color_system=None).print(what)
    return out.getvalue()


def line(**changes: Any) -> HotLine:
    return make_hot_line(**{"stack": (), **changes})


def test_lines_stand_in_a_table_of_what_their_shares_are_of() -> None:
    hot = (
        line(line=1), line(line=2, process_role="trainer", activity="long step"),
        line(line=3, process_role="trainer", activity="between loops"),
        line(line=4, process_role="trainer", activity="importing"), line(line=5, activity="startup"),
        line(line=6, activity="startup", samples=1, process_role="trainer"), line(line=7, activity="collate", share=0.001),
    )  # fmt: skip
    found = line_tables.sections(hot)
    assert [(part.title, [one.line for one in part.lines]) for part in found] == [
        (line_tables.IN_WORKERS, [1]), (line_tables.IN_LOOP, [2]), (line_tables.BETWEEN, [3]), (line_tables.START, [4, 6]),
        (line_tables.WORKER_START, [5]),
    ]  # fmt: skip
    assert [part.title for part in line_tables.sections((hot[0], line(line=5, activity="startup", samples=2)))] == [
        line_tables.IN_WORKERS
    ]
    text = drawn(lines.render(make_report(hot_lines=hot), hot, 100))
    assert "long step" in text and "Before the first batch" in text and "data.py:7" not in text


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_figures_and_line_numbers_are_never_cut(width: int) -> None:
    hot = (
        line(file="/home/me/project/a/very/long/path/with/folders/filters.py", line=1120, callee=Callee("torchvision", "GaussianBlur")),
        line(function="AGreatDataset.with_a_long_name.<locals>.inner", waited_share=0.31, activity="collate"),
    )  # fmt: skip
    text = drawn(lines.render(make_report(hot_lines=hot), hot, width), width)
    head, first, second = text.splitlines()[4:7]
    assert head.split()[-1] == "free" and first.rstrip().endswith("×") and second.rstrip().endswith("×")
    assert "filters.py:1120" in first and "data.py:48" in second and "31%" in second
    assert all(len(row) <= width for row in text.splitlines())


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        (StackQuality("timer", 900, "medium", "900 samples by the timer inside the workers; Permission Denied"), "approximate"),
        (StackQuality("py-spy", 40, "low", "40 samples by py-spy bursts"), "few samples"),
        (StackQuality("py-spy", 4000, "high", "4000 samples by py-spy bursts"), "high trust"),
    ],
)  # fmt: skip
def test_lines_say_how_far_to_trust_them(quality: StackQuality, words: str) -> None:
    assert words in lines.about(quality) and quality.note in lines.about(quality)


def test_the_series_parse_back() -> None:
    rows = list(csv.DictReader(io.StringIO(series.render(make_report()))))
    spans = [row for row in rows if row["kind"] == "spans"]
    assert (spans[0]["start_s"], spans[0]["end_s"], spans[0]["label"]) == ("3.0", "8.0", "fetching")
    assert sum(row["lane"] == "step time" for row in rows) == 200


def test_a_spreadsheet_is_given_no_formula() -> None:
    lane = Lane(LaneKind("evil", "=cmd()", "spans"), spans=((0.0, 1.0, "@x"),))
    assert "'=cmd()" in series.render(make_report(timeline=Timeline(1.0, (lane,))))


def test_no_timeline_gives_an_empty_table() -> None:
    assert series.render(make_report(timeline=None)) == ",".join(series.COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("words", "shown"),
    [("plain", "`plain`"), ("a`b", "``a`b``"), ("`x`", "`` `x` ``"), ("a|b", "`a\\|b`"), ("", "")],
)
def test_inline_code(words: str, shown: str) -> None:
    assert markdown.code(words) == shown


def test_markdown_shows_foreign_text_as_it_is() -> None:
    text = markdown.render(make_report(findings=(make_finding(summary="<script> | @someone *bold*", advice="x"),)))
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert "@someone" not in text
    assert "\\*bold\\*" in text


def test_every_markdown_table_has_as_many_cells_as_its_header() -> None:
    report = make_report(hot_lines=(make_hot_line(source="a | b || c"),))
    for block in re.findall(r"(?:^ *\|.*\n)+", markdown.render(report), re.MULTILINE):
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(counts) == 1, block


SOURCE = "import x\n\ndef f():\n    a = 1\n    b = slow(a)\n    return b\n"


def test_an_excerpt_shows_heat_where_samples_fell(tmp_path: object) -> None:
    from pathlib import Path

    file = Path(str(tmp_path)) / "data.py"
    file.write_text(SOURCE)
    hot = make_hot_line(file=str(file), line=5, source="b = slow(a)", share=0.6)
    warm = make_hot_line(file=str(file), line=4, source="a = 1", share=0.1)
    found = lines.excerpts([hot, warm], [hot, warm], "/")
    assert len(found) == 1
    assert [(line.number, line.share) for line in found[0].lines] == [
        (2, None),
        (3, None),
        (4, 0.1),
        (5, 0.6),
        (6, None),
    ]
    assert found[0].lines[3].code == "    b = slow(a)"


def test_a_file_that_changed_since_is_not_shown_as_if_it_had_not(tmp_path: object) -> None:
    from pathlib import Path

    file = Path(str(tmp_path)) / "changed.py"
    file.write_text("something else\n" * 9)
    (excerpt,) = lines.excerpts([make_hot_line(file=str(file), line=5)], [], "/")
    assert excerpt.note == "the file has changed since the run"
    assert [line.code for line in excerpt.lines] == ['image = Image.open(path).convert("RGB")']


def test_a_file_that_was_edited_since_is_told(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text("first\nsecond\n")
    hot = make_hot_line(file=str(file), line=2, source="second")
    began = file.stat().st_mtime_ns
    (old,), (new,) = lines.excerpts([hot], [hot], "/", began), lines.excerpts([hot], [hot], "/", began - 10**11)
    assert not old.note and "may have moved" in new.note and new.lines == old.lines


def test_one_place_is_one_line_of_what_its_shares_are_of_and_in_order() -> None:
    hot = (
        line(line=1, share=0.03, activity="collate", cost_s=0.3), line(line=2, share=0.78, cost_s=7.8),
        line(line=1, share=0.19, cost_s=1.9), line(line=9, share=0.004, cost_s=0.04),
        line(line=1, share=1.0, process_role="trainer", activity="step", cost_s=1.0),
    )  # fmt: skip
    found = line_tables.sections(hot)
    assert [(part.title, [(one.line, round(one.share, 2)) for one in part.lines]) for part in found] == [
        (line_tables.IN_WORKERS, [(2, 0.78), (1, 0.22)]), (line_tables.IN_LOOP, [(1, 1.0)]),
    ]  # fmt: skip


BASE = Place("/env/lib/python3.11/site-packages/ultralytics/data/base.py", 231, "load_image")
IMDECODE = Callee("cv2", "imdecode", qualified=True)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, ""),
        ({"below": Place("/env/lib/python3.11/site-packages/PIL/ImageFile.py", 300)}, ""),
        ({"below": BASE, "below_callee": IMDECODE, "makes": "YOLODataset"}, "→ ultralytics/data/base.py:231 → cv2.imdecode"),
        ({"below": BASE, "below_callee": IMDECODE, "callee": None}, "→ ultralytics/data/base.py:231 → cv2.imdecode"),
        ({"below_callee": IMDECODE, "callee": None}, "→ cv2.imdecode"),
        ({"below": BASE, "makes": "Photos"}, "→ ultralytics/data/base.py:231"),
    ],
)  # fmt: skip
def test_the_place_below_is_shown_where_the_line_does_not_say_it(changes: dict[str, Any], text: str) -> None:
    assert line_tables.below_of(line(**changes), "/home/me") == text


def test_sarif_names_lines_of_the_working_copy_relative_to_its_top() -> None:
    inside, outside = Place("/home/me/a b/src/data.py", 7), Place("/opt/lib/x.py", 0)
    found = [
        make_finding("expensive-transform", severity="warning", where=inside),
        make_finding("slow-step-code", severity="info", where=outside),
        make_finding("expensive-transform", severity="critical", where=None),
        make_finding("slow-dataset-code", severity="warning", where=Place("/tmp/ipykernel_1/22.py", 2)),
    ]
    log = sarif.to_dict(make_report(findings=tuple(found)), "/home/me/a b", {"slow-step-code": ("Slow", "The page")})
    (run,) = log["runs"]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"] if "locations" in result]
    assert places[:2] == [
        {"artifactLocation": {"uri": "src/data.py", "uriBaseId": "SRCROOT"}, "region": {"startLine": 7}},
        {"artifactLocation": {"uri": "file:///opt/lib/x.py"}, "region": {"startLine": 1}},
    ]
    assert run["originalUriBaseIds"]["SRCROOT"]["uri"] == "file:///home/me/a%20b/"
    assert [result["level"] for result in run["results"]] == ["warning", "note", "error", "warning"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [finding.id for finding in found]
    assert [("locations" in result) for result in run["results"]] == [True, True, False, False], "a cell is no file"


def test_a_finding_keeps_its_fingerprint_when_its_line_moves() -> None:
    def fingerprint(line: int, source: str) -> str:
        at = make_hot_line(file="/w/train.py", line=line, source=source)
        finding = make_finding("expensive-transform", severity="warning", where=Place("/w/train.py", line))
        log = sarif.to_dict(make_report(findings=(finding,), hot_lines=(at,)), "/w", {})
        return str(log["runs"][0]["results"][0]["partialFingerprints"])

    assert fingerprint(3, "x = blur(x)") == fingerprint(30, "    x = blur(x)") != fingerprint(3, "x = crop(x)")


def test_junit_has_a_test_for_each_term() -> None:
    text = junit.render(
        "a<b>&\x1b", [junit.Case("input_wait>10%", "it is <30 %>", True), junit.Case("step>1s", "ok", False)]
    )
    suites = ElementTree.fromstring(text)
    assert (suites.get("tests"), suites.get("failures")) == ("2", "1")
    (suite,) = suites
    assert [test.get("name") for test in suite] == ["input_wait>10%", "step>1s"]
    assert suite[0][0].tag == "failure" and suite[0][0].text == "it is <30 %>"
    assert suite[1].find("failure") is None
