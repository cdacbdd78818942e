"""The verbs of the command line: one per file in `commands/`, imported only when it is called."""

from __future__ import annotations

import difflib
from importlib import import_module

import click

# Verb -> (module in gpuwatch.commands, what --help says of it). Kept here so that --help imports none of them.
VERBS = {
    "run": ("run", "Wrap a training command; end with a card that says what bounds it."),
    "attach": ("attach", "Find out what bounds a training that is running already."),
    "top": ("top", "Watch a run live, from another terminal."),
    "report": ("report", "Show a run's card again; write it as HTML, JSON, Markdown or SARIF."),
    "lines": ("lines", "Show the source lines that cost the most."),
    "try": ("try_", "Experiment on your own training: ceilings, loader settings, remedies."),
    "diff": ("diff", "Compare two runs, with intervals."),
    "check": ("check", "Fail when a run crosses a limit (for CI)."),
    "export": ("export", "Write a run for other tools: perfetto, speedscope, csv, parquet, plotly, prometheus."),
    "runs": ("runs", "List the recorded runs."),
    "explain": ("explain", "Explain a finding: meaning, measurement, when it is wrong, what to do."),
    "rule": ("rule", "Write the skeleton of a new rule; check a rule and its cases."),
    "doctor": ("doctor", "Say what works on this machine, what does not, and why."),
    "demo": ("demo", "Train a small real model with a planted bottleneck, and explain its card."),
    "serve": ("serve", "Serve this node's samples to Prometheus."),
    "fleet": ("fleet", "Summarise many runs: GPU hours lost, to what, by whom, on which node."),
}

EPILOG = """\b
Examples:
  gpuwatch run -- python train.py --epochs 3
  gpuwatch run --html out.html -- torchrun --nproc-per-node=2 train.py
  gpuwatch run --fail-on 'input_wait>10%' -- bash train.sh
  gpuwatch report
"""


class Verbs(click.Group):
    """The group of verbs; a verb's module is imported when the verb is called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = import_module(f"gpuwatch.commands.{VERBS[cmd_name][0]}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        verbs = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in verbs:
            raise click.UsageError(_unknown(args[0], verbs), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(verb, VERBS[verb][1]) for verb in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def _unknown(verb: str, verbs: list[str]) -> str:
    near = difflib.get_close_matches(verb, verbs, 1, cutoff=0.6)
    if near:
        return f"no verb {verb!r}. Did you mean `gpuwatch {near[0]}`?"
    return f"no verb {verb!r}. To wrap a command: `gpuwatch run -- {verb} ...`"


@click.group(cls=Verbs, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gpuwatch", message="gpuwatch %(version)s")
def cli() -> None:
    """Find out why a GPU waits: which line of the input pipeline costs it, what to change, and the proof.

    Put `gpuwatch run --` before the training command you already use.
    """
