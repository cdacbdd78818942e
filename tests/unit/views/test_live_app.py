"""The dashboard as an app: keys, sizes, pausing, replay, saving. Driven by Textual's pilot, no terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gpuwatch.model.report import Report
from gpuwatch.views.live.app import Dashboard
from gpuwatch.views.live.panel import Panel
from gpuwatch.views.live.screens import Detail, Help
from tests.builders import make_finding, make_hot_line, make_profile, make_rank, make_report


class Source:
    """Hands out a report that can be exchanged, and remembers what was saved."""

    def __init__(self, live: bool = True) -> None:
        self.report = make_report(
            make_profile(ranks=(make_rank(), make_rank(rank=1)), hot_lines=(make_hot_line(),)),
            findings=(make_finding(), make_finding("cpu-saturated", summary="all cores are used")),
        )
        self.live = live
        self.reads = 0
        self.saved: list[Report] = []
        self.failure: Exception | None = None

    def read(self) -> tuple[Report, bool]:
        self.reads += 1
        if self.failure:
            raise self.failure
        return self.report, self.live

    def save(self, report: Report) -> str:
        self.saved.append(report)
        return "out.html"


def drive(
    source: Source,
    check: Callable[[Dashboard, object], Awaitable[None]],
    size: tuple[int, int] = (120, 35),
    **options: object,
) -> str | None:
    """Run the app, wait for its first report, then let `check` press keys."""
    app = Dashboard(source.read, source.save, **options)  # type: ignore[arg-type]

    async def session() -> None:
        async with app.run_test(size=size) as pilot:
            for _ in range(200):
                if app.latest is not None and "33%" in shown(app, "verdict"):
                    break
                await pilot.pause(0.02)
            # The panels have been given their room by now.
            await pilot.pause(0.2)
            await check(app, pilot)

    asyncio.run(session())
    return app.return_value


def shown(app: Dashboard, panel: str) -> str:
    """Return a panel's lines as they stand on the screen."""
    widget = app.query_one(f"#{panel}", Panel)
    return "\n".join("".join(segment.text for segment in widget.render_line(y)) for y in range(widget.size.height + 1))


def footer(app: Dashboard) -> str:
    return str(app.query_one("#footer").render())


@pytest.mark.parametrize("size", [(80, 24), (120, 35), (200, 50), (240, 67), (40, 10)])
def test_every_size_shows_the_verdict(size: tuple[int, int]) -> None:
    async def check(app, pilot):  # type: ignore[no-untyped-def]
        assert "33%" in shown(app, "verdict")
        for panel in app.query(Panel):
            assert panel.size.width <= size[0]

    drive(Source(), check, size)


def test_panels_of_a_small_terminal_do_not_overlap() -> None:
    async def check(app, pilot):  # type: ignore[no-untyped-def]
        regions = [panel.region for panel in app.query(Panel) if panel.display]
        assert all(region.bottom <= 23 for region in regions)
        assert "▸" in shown(app, "findings") and "worker 0" in shown(app, "workers")

    drive(Source(), check, (80, 24))


def test_resizing_changes_the_layout() -> None:
    async def check(app, pilot):  # type: ignore[no-untyped-def]
        wide = app.query_one("#right").region
        await pilot.resize_terminal(80, 24)
        await pilot.pause(0.1)
        assert app.query_one("#right").region.y > wide.y

    drive(Source(), check)


def test_pause_keeps_the_picture_and_goes_on() -> None:
    source = Source()

    async def check(app, pilot):  # type: ignore[no-untyped-def]
        await pilot.press("space")
        before = app.latest.report
        app._show(make_report(), True, 1.0)
        assert app.latest.report is before
        await pilot.press("space")
        fresh = make_report()
        app._show(fresh, True, 1.0)
        assert app.latest.report is fresh

    drive(source, check)


def test_zoom_stays_within_its_steps() -> None:
    async def check(app, pilot):  # type: ignore[no-untyped-def]
        await pilot.press("plus")
        assert app._view.window_s == 30.0 and "30 s" in footer(app)
        for _ in range(20):
            await pilot.press("minus")
        assert app._view.window_s == 86_400.0

    drive(Source(), check)


def test_scrubbing_goes_back_and_returns_to_now() -> None:
    async def check(app, pilot):  # type: ignore[no-untyped-def]
        await pilot.press("plus", "plus", "left")
        assert app._view.at_s == pytest.approx(17.5)
        await pilot.press("home")
        assert app._view.at_s == pytest.approx(10.0)
        await pilot.press("end")
        assert app._view.at_s is None

    drive(Source(live=False), check)


def test_a_finished_run_is_read_once() -> None:
    source = Source(live=False)

    async def check(app, pilot):  # type: ignore[no-untyped-def]
        app._read_until = 0.0
        app._tick()
        await pilot.pause(0.05)
        assert source.reads == 1

    drive(source, check)


def test_enter_opens_the_selected_finding_and_escape_closes_it() -> None:
    async def check(app, pilot):  # type: ignore[no-untyped-def]
        await pilot.press("down", "enter")
        assert isinstance(app.screen, Detail) and app._view.selected == 1
        await pilot.press("escape")
        assert not isinstance(app.screen, Detail)
        await pilot.press("tab", "enter")
        assert isinstance(app.screen, Detail)

    drive(Source(), check)


def test_clicking_a_finding_opens_it() -> None:
    async def check(app, pilot):  # type: ignore[no-untyped-def]
        await pilot.click("#findings", offset=(4, 3))
        assert isinstance(app.screen, Detail) and app._view.selected == 1

    drive(Source(), check)


def test_help_names_every_key() -> None:
    async def check(app, pilot):  # type: ignore[no-untyped-def]
        await pilot.press("question_mark")
        assert isinstance(app.screen, Help)

    drive(Source(), check)


def test_ranks_and_sorting_go_round() -> None:
    async def check(app, pilot):  # type: ignore[no-untyped-def]
        seen = []
        for _ in range(3):
            await pilot.press("r")
            seen.append(app._view.rank)
        assert seen == [0, 1, None]
        await pilot.press("o")
        assert app._view.sort == "number"

    drive(Source(), check)


def test_saving_hands_over_the_report() -> None:
    source = Source()

    async def check(app, pilot):  # type: ignore[no-untyped-def]
        await pilot.press("s")
        await app.workers.wait_for_complete()
        assert source.saved and "out.html" in footer(app)

    drive(source, check)


def test_trouble_while_reading_is_one_line_and_not_the_end() -> None:
    source = Source()

    async def check(app, pilot):  # type: ignore[no-untyped-def]
        source.failure = OSError("the disk\nis gone")
        app._read_until = 0.0
        app._tick()
        for _ in range(100):
            if "the disk is gone" in footer(app):
                return
            await pilot.pause(0.02)
        raise AssertionError(footer(app))

    drive(source, check)


def test_ctrl_c_asks_before_it_interrupts_the_training() -> None:
    sent: list[str] = []

    def interrupt() -> str:
        sent.append("SIGINT")
        return "Interrupt sent"

    async def check(app, pilot):  # type: ignore[no-untyped-def]
        await pilot.press("ctrl+c")
        assert sent == [] and "again" in footer(app)
        await pilot.press("ctrl+c")
        assert sent == ["SIGINT"]

    drive(Source(), check, interrupt=interrupt, with_log=True)


def test_log_pane_shows_the_output() -> None:
    async def check(app, pilot):  # type: ignore[no-untyped-def]
        app.output("step 1\n\x1b[31mred\x1b[0m\nold\rnew")
        await pilot.pause(0.05)
        lines = [strip.text for strip in app.query_one("#log").lines]
        assert lines == ["step 1", "red", "new"]
        await pilot.press("l")
        assert not app.query_one("#log-box").display

    drive(Source(), check, with_log=True)


def test_output_may_come_while_help_is_open_and_after_the_end() -> None:
    kept: list[Dashboard] = []

    async def check(app, pilot):  # type: ignore[no-untyped-def]
        kept.append(app)
        await pilot.press("question_mark")
        app.output("line 1")
        await pilot.press("escape")
        assert [strip.text for strip in app.query_one("#log").lines] == ["line 1"]
        await app.query_one("#body").remove()
        app.output("line 2")

    drive(Source(), check, with_log=True)
    kept[0].output("line 3")


def test_q_leaves() -> None:
    async def check(app, pilot):  # type: ignore[no-untyped-def]
        await pilot.press("q")

    drive(Source(), check)
