"""The top of the page: what bounds the run, in words, and the three numbers behind it."""

from __future__ import annotations

import shlex
from datetime import datetime, timezone

from gpuwatch.model.report import Report
from gpuwatch.views import text, verdict_text
from gpuwatch.views.html import words
from gpuwatch.views.html.markup import Markup, el
from gpuwatch.views.html.pictures import typical_step

CONFIDENCE = {
    "high": "high confidence",
    "medium": "medium confidence",
    "low": "low confidence",
    "borderline": "borderline: a repeated run may say otherwise",
}


def header(report: Report) -> Markup:
    """Return the line that says which run this is."""
    run = report.run
    started = datetime.fromtimestamp(run.started_wall_ns / 1e9, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    ended = text.ending_of(run)
    facts = [started, text.duration(report.seconds), text.clean(run.host), ended]
    if report.judged_gpu is not None and not report.ranks:
        facts = ["GPU trace", text.duration(report.seconds)]
    if report.ranks:
        facts.insert(3, text.count(len(report.ranks), "rank"))
    return el(
        "header",
        el(
            "div",
            el("span", "gpuwatch", class_="brand"),
            el("button", "Dark", id="theme", type="button", hidden=True),
            class_="top",
        ),
        el(
            "p",
            el("code", shlex.join(run.command) or text.clean(run.id), class_="command", title=f"in {run.cwd}"),
            class_="command-line",
        ),
        el("p", " · ".join(facts), class_="soft"),
    )


def verdict_card(report: Report) -> Markup:
    """Return the verdict: one sentence, its reason, one typical step, and at most three numbers."""
    verdict = report.verdict
    badge = el("span", verdict_text.NAMES[verdict.bound], class_=f"badge b-{verdict.bound}")
    sure = el("span", CONFIDENCE[verdict.confidence], class_="soft")
    reason = verdict_text.explanation(verdict)
    body = [
        el("p", badge, " ", sure, class_="kicker"),
        el("h1", verdict_text.sentence(verdict_text.claim(verdict)), id="verdict-title"),
        el("p", reason, class_="reason") if reason else None,
        el("p", words.BOUND_HELP[verdict.bound], class_="soft"),
        el("div", _numbers(report), class_="numbers"),
        typical_step(report.primary_loader),
    ]
    return el("section", body, class_="verdict", id="verdict", aria_labelledby="verdict-title")


def _numbers(report: Report) -> list[Markup]:
    verdict, loader = report.verdict, report.primary_loader
    numbers = []
    if verdict.input_wait_share:
        clock = "timed on the host's clock" if verdict.clock == "host" else "timed on the GPU itself"
        share = verdict.input_wait_share
        about = f"of each step waits for data; {text.percent(share.low)} to {text.percent(share.high)}, {clock}"
        numbers.append(_number(text.percent(share.median), about))
    if verdict.speedup_if_input_free and verdict.bound in ("input", "cpu"):
        gain = verdict.speedup_if_input_free
        about = f"as fast if data were always ready; {text.factor(gain.low)} to {text.factor(gain.high)}, predicted"
        numbers.append(_number(text.factor(gain.predicted), about))
    if verdict.speedup_if_compute_free:
        gain = verdict.speedup_if_compute_free
        about = f"as fast if the training used no core; {text.factor(gain.low)} to {text.factor(gain.high)}, predicted"
        numbers.append(_number(text.factor(gain.predicted), about))
    if loader and loader.samples_per_s:
        about = f"samples per second; {text.figures(loader.steps_per_s)} steps per second"
        numbers.append(_number(text.figures(loader.samples_per_s), about))
    return numbers


def _number(value: str, about: str) -> Markup:
    return el("div", el("span", value, class_="big"), el("span", about, class_="about"), class_="number")
