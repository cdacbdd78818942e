"""The dashboard's panels: what they say of a frame, in every width."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from gpuwatch.diagnosis.examples.parts import make_device, make_profile, make_run
from gpuwatch.diagnosis.examples.runs import FEW_STEPS, no_loader
from gpuwatch.model.profile import Profile
from gpuwatch.model.timeline import Lane, Timeline
from gpuwatch.views.live import charts, details, devices, panels
from gpuwatch.views.live.frame import Frame, View, columns, spans_in, step_columns
from gpuwatch.views.live.workers import in_order, measure, workers
from gpuwatch.words.lanes import CPU_BUSY, GPU_BUSY, INPUT_WAIT, IO_PRESSURE, POWER, PROCESS_CPU, STEP, WORKER, LaneKind
from tests.builders import make_finding, make_report


def drawn(renderable: RenderableType, width: int = 80) -> str:
    """Return a renderable as plain text."""
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def line(of: LaneKind, values: list[float | None], step_s: float = 1.0, **whose: int) -> Lane:
    times = tuple(step_s * (n + 1) for n in range(len(values)))
    return Lane(of, times, tuple(values), **whose)


def frame(*lanes: Lane, seconds: float = 100.0, view: View | None = None, **changes: object) -> Frame:
    return Frame(
        make_report(make_profile(seconds=seconds), timeline=Timeline(seconds, lanes), **changes), view or View()
    )


def test_columns_are_medians_and_hold_over_sparse_samples() -> None:
    lane = line(STEP, [1.0, 9.0, 2.0, None, None, 5.0], step_s=1.0, rank=0)
    assert columns(lane, 0.5, 3.5, 1) == [2.0]
    assert columns(lane, 3.2, 3.8, 2) == [2.0, 2.0]
    assert columns(lane, 50.0, 60.0, 2) == [None, None]


def test_a_long_step_fills_the_time_it_took() -> None:
    step, wait = (
        line(STEP, [1000.0, 3000.0], step_s=1.0, rank=0),
        line(INPUT_WAIT, [100.0, 2500.0], rank=0),
    )
    late = replace(step, t_s=(0.9, 3.9))
    waits = replace(wait, t_s=(0.9, 3.9))
    assert step_columns(late, waits, 0.0, 6.0, 6) == [(1000.0, 100.0), *[(3000.0, 2500.0)] * 3, *[(None, None)] * 2]


def test_spans_are_cut_to_the_window() -> None:
    lane = Lane(WORKER, spans=((0.0, 4.0, "fetching"), (4.0, 6.0, "waiting"), (6.0, 9.0, "fetching")), rank=0, worker=0)
    assert spans_in(lane, 3.0, 7.0) == [(3.0, 4.0, "fetching"), (4.0, 6.0, "waiting"), (6.0, 7.0, "fetching")]


def test_window_bar_adds_up_to_the_window() -> None:
    steps = [100.0] * 50
    shown = frame(
        line(STEP, steps, rank=0),
        line(INPUT_WAIT, [25.0] * 50, rank=0),
        view=View(window_s=10.0, at_s=50.0),
    )
    text = drawn(panels.phases(shown, 60, 2))
    # Eleven steps of 100 ms end in 10 s: 1.1 s of it in steps, a quarter of that waiting.
    assert "outside steps 89%" in text and "training 8%" in text and "waiting 3%" in text


def test_steps_say_the_last_value_and_draw_both_parts() -> None:
    shown = frame(line(STEP, [40.0] * 100, rank=0), line(INPUT_WAIT, [10.0] * 100, rank=0))
    text = drawn(panels.steps(shown, 70, 6), 70)
    assert "step 40 ms, of it waiting 10 ms" in text
    assert len(text.splitlines()) == 6


def test_area_puts_the_upper_series_on_the_lower_one() -> None:
    cells = [list(charts.Area([1.0], [1.0], 2, 2.0).line(row)) for row in (0, 1)]
    assert (
        cells[0][0].text == "█"
        and cells[0][0].style
        and cells[0][0].style.color
        and cells[0][0].style.color.name == charts.WORK
    )
    assert (
        cells[1][0].text == "█"
        and cells[1][0].style
        and cells[1][0].style.color
        and cells[1][0].style.color.name == charts.WAIT
    )


@pytest.mark.parametrize(
    ("share", "bar"), [(0.0, "░░░░"), (0.5, "██░░"), (1.0, "████"), (None, "····"), (0.125, "▌░░░")]
)
def test_meter(share: float | None, bar: str) -> None:
    assert charts.meter(share, 4).plain == bar


def test_gpu_rows_have_the_idlest_first_and_dashes_for_what_is_missing() -> None:
    shown = frame(
        line(GPU_BUSY, [90.0] * 100, device=0),
        line(GPU_BUSY, [20.0] * 100, device=1),
        line(POWER, [250.0] * 100, device=1),
    )
    rows = drawn(devices.gpus(shown, 100, 4), 100).splitlines()
    assert rows[0].startswith("GPU 1") and "20% busy" in rows[0] and "250 W" in rows[0] and "– " in rows[0]
    assert rows[1].startswith("GPU 0") and "90% busy" in rows[1]


def test_selected_gpu_is_the_only_one() -> None:
    lanes = [line(GPU_BUSY, [50.0] * 100, device=n) for n in range(3)]
    assert [
        row.split()[1] for row in drawn(devices.gpus(frame(*lanes, view=View(device=2)), 90, 9), 90).splitlines()
    ] == ["2"]


def test_machine_rows_carry_their_unit() -> None:
    text = drawn(
        devices.machine(
            frame(line(CPU_BUSY, [4.0] * 100), line(IO_PRESSURE, [12.0] * 100)),
            60,
            5,
        )
    )
    assert "4.0 cores" in text and "12%" in text and "▄" in text


def test_no_gpu_says_so() -> None:
    assert "No GPU was measured" in drawn(devices.gpus(frame(), 80))
    assert "GPU 0" in drawn(devices.gpus(Frame(make_report(make_profile(devices=(make_device(),)), timeline=None)), 80))


def test_workers_sort_and_count() -> None:
    lanes = [
        Lane(WORKER, spans=((90.0, 95.0, "fetching"), (95.0, 100.0, "waiting")), rank=0, worker=0),
        Lane(
            WORKER,
            spans=((90.0, 94.0, "fetching"), (94.0, 99.0, "fetching"), (99.0, 100.0, "waiting")),
            rank=0,
            worker=1,
        ),
    ]
    shown = frame(*lanes)
    told = [measure(shown, lane, 10) for lane in lanes]
    assert [round(worker.at_work or 0, 2) for worker in told] == [0.5, 0.9]
    assert [worker.batches for worker in told] == [1, 2]
    assert [worker.number for worker in in_order(told, "busiest")] == [1, 0]
    assert [worker.number for worker in in_order(told, "slowest")] == [0, 1]
    assert told[0].strip[-1] == pytest.approx(1 / 6) and told[0].strip[0] is None
    assert "and 60 more" in drawn(
        workers(
            frame(*(Lane(WORKER, spans=((90.0, 95.0, "fetching"),), rank=0, worker=n) for n in range(64))),
            80,
            6,
        )
    )


def test_workers_show_their_cpu_and_the_batch_in_hand_of_a_run_that_goes_on() -> None:
    lanes = (
        Lane(WORKER, spans=((90.0, 95.0, "fetching"),), note="batch 1240", rank=0, worker=0),
        Lane(WORKER, spans=((90.0, 95.0, "fetching"),), note="waits", rank=0, worker=1),
        line(PROCESS_CPU, [0.97] * 100, rank=0, worker=1),
    )
    told = drawn(workers(frame(*lanes), 60, 6)).splitlines()
    assert told[0].split() == ["at", "work", "CPU", "a", "batch", "current"]
    assert told[1].endswith("batch 1240") and "–" in told[1]
    assert "97%" in told[2] and "waits" in told[2]
    assert "97% CPU" in drawn(workers(frame(*lanes), 60, 2))
    assert "97%" in drawn(workers(frame(*lanes, view=View(rank=0)), 60, 6))
    earlier = drawn(workers(frame(*lanes, view=View(at_s=96.0)), 60, 6))
    assert "batch 1240" not in earlier and "current" not in earlier


def test_findings_mark_the_selected_one() -> None:
    shown = frame(findings=(make_finding(), make_finding("cpu-saturated", summary="cores \x1b[31mused up")))
    rows = drawn(panels.findings(shown, 80, 3, 1)).splitlines()
    assert rows[1].startswith("▸") and not rows[0].startswith("▸")
    assert "\x1b" not in rows[1]


def test_findings_say_what_to_do_where_there_is_room() -> None:
    shown = frame(findings=(make_finding(),))
    assert "→ Raise num_workers from 2 to 3." in drawn(panels.findings(shown, 80, 2))
    assert "→" not in drawn(panels.findings(shown, 80, 1))


def test_finding_detail_says_everything() -> None:
    text = drawn(details.finding_detail(make_finding(), "/home/me/project"))
    for part in (
        "worker busy",
        "98%",
        "limit 75%",
        "Raise num_workers from 2 to 3.",
        "num_workers=3)",
        "train.py:40",
        "gpuwatch try --loader",
    ):
        assert part in text


def test_line_detail_says_everything() -> None:
    text = drawn(details.line_detail(Frame(make_report()), 0))
    assert "data.py:48" in text and "41%" in text and "PIL decode" in text and 'convert("RGB")' in text


def test_plain_line_is_one_line() -> None:
    shown = frame(
        line(STEP, [40.0] * 100, rank=0),
        line(INPUT_WAIT, [10.0] * 100, rank=0),
        line(GPU_BUSY, [20.0] * 100, device=0),
    )
    text = panels.plain_line(shown)
    assert "\n" not in text and "step 40 ms" in text and "GPU busy 20%" in text and "first: too-few-workers" in text


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_snapshot_fits_its_width(width: int) -> None:
    report = make_report(
        make_profile(run=make_run(command=("python", "train.py", "--x" * 99)), devices=(make_device(),))
    )
    assert max(map(len, drawn(panels.snapshot(Frame(report), width), width).splitlines())) <= width


def test_empty_report_has_every_panel() -> None:
    empty = Frame(
        make_report(make_profile(ranks=(), loaders=()), timeline=None, findings=(), hot_lines=(), phases=()), live=False
    )
    text = drawn(panels.snapshot(empty, 80))
    for title in ("Verdict", "Time", "Steps", "GPUs", "Machine", "Workers", "Findings", "Lines"):
        assert f"── {title} " in text


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (FEW_STEPS, "Unknown: only 3 steps after warm-up; 8 are needed, about 30 for a sure verdict\n"),
        (replace(no_loader(), run=make_run(state="running")), "Unknown: no training step was observed so far\n"),
    ],
)
def test_before_the_first_steps_the_verdict_is_one_sentence(profile: Profile, said: str) -> None:
    assert drawn(panels.verdict(Frame(make_report(profile)), 100, 6), 100) == said
