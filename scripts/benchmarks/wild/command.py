"""The verbs of `scripts/wild`."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from scripts.benchmarks import pages
from scripts.benchmarks.machine import ROOT, aligned, end_cleanly_when_terminated, progress
from scripts.benchmarks.wild import ablation, catalogue, preparation, table
from scripts.benchmarks.wild.running import run
from scripts.benchmarks.wild.scoring import Scorer
from scripts.benchmarks.wild.workplace import Workplace

LABELS = ("now", "before")


def options(about: str | None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="projects (default: all)")
    verbs = parser.add_mutually_exclusive_group()
    verbs.add_argument("--check", action="store_true", help="install, make data, run once bare with stamps")
    verbs.add_argument("--truth", action="store_true", help="run the ablations, again those that others disturbed")
    verbs.add_argument("--score", action="store_true", help="run bare and under gpuwatch in turns, and judge")
    verbs.add_argument("--rejudge", action="store_true", help="run nothing: analyze the kept recordings again")
    verbs.add_argument("--try", dest="tried", action="store_true", help="run `gpuwatch try` and keep what it said")
    verbs.add_argument("--table", action="store_true", help="print the table of the kept results")
    parser.add_argument("--gpuwatch", type=Path, default=ROOT / ".venv" / "bin" / "gpuwatch", help="the executable")
    parser.add_argument("--label", choices=LABELS, default="now", help="under which results are kept (default now)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of the ablations (default 3)")
    parser.add_argument("--pairs", type=int, default=2, help="bare and wrapped pairs (default 2)")
    parser.add_argument("--budget", default="3m", help="of `gpuwatch try` (default 3m)")
    parser.add_argument("--resume", action="store_true", help="leave out projects that have a result under the label")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "wild", help="where environments and runs lie")
    pages.add_option(parser, "wild")
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - set(catalogue.names())):
        parser.error(f"no project {', '.join(unknown)}; known: {', '.join(catalogue.names())}")
    return args


def main(about: str | None) -> int:
    """Do what is asked for, one project after the other; return 1 when one failed."""
    args = options(about)
    end_cleanly_when_terminated()
    if args.table or args.write_docs:
        return show_table(args)
    verb = next((verb for name, verb in VERBS.items() if getattr(args, name)), None)
    if verb is None:
        return show_projects()
    failed = [name for name in args.names or catalogue.names() if not attempted(verb, name, args)]
    if failed:
        progress(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def attempted(verb: Callable[[Workplace, argparse.Namespace], str], name: str, args: argparse.Namespace) -> bool:
    """Do one verb to one project and say how it went: a failure of one never ends the rest."""
    try:
        place = Workplace(catalogue.load(name), args.out.resolve() / name)
        print(f"{name}: {verb(place, args)}", flush=True)
        return True
    except preparation.Unprepared as error:
        progress(f"{name}: cannot be run here: {error}")
    except Exception:
        progress(f"{name}: {traceback.format_exc()}")
    return False


def check(place: Workplace, args: argparse.Namespace) -> str:
    """Run once bare."""
    preparation.prepare(place)
    done = run(place)
    if not done.failed:
        (place.folder / "checked").touch()
    tail = "\n".join(done.said.splitlines()[-15:])
    print(tail, file=sys.stderr)
    if place.project.results:
        progress(f"{place.project.name}: results: {len(done.results)} lines, the last {done.results[-1:]}")
    return ablation.sentence(done)


def truth(place: Workplace, args: argparse.Namespace) -> str:
    """Run the ablations."""
    _warm(place)
    file = ablation.TRUTHS / f"{place.project.name}.json"
    found = ablation.measure(place, args.repeats, file, lambda found: ablation.save(found, file))
    ablation.save(found, file)
    return "as is over variant\n" + gains(found)


def gains(found: ablation.Truth) -> str:
    """Return a line per ablation."""

    def cell(told: dict[str, float] | None) -> str:
        return f"{told['median']:.2f} ({told['low']:.2f} … {told['high']:.2f})" if told else "-"

    rows = [
        [name, cell(told.get("step")), cell(told.get("loop")), "disturbed" if told["disturbed"] else ""]
        for name, told in found.gains.items()
    ]
    return aligned(["variant", "step", "loop", ""], rows)


def score(place: Workplace, args: argparse.Namespace) -> str:
    """Run the pairs and judge."""
    scorer = _scorer(args)
    if args.resume and scorer.kept(place).get("judgement"):
        return "is kept"
    _warm(place)
    return told(scorer.score(place, args.pairs))


def rejudge(place: Workplace, args: argparse.Namespace) -> str:
    """Analyze and judge again."""
    return told(_scorer(args).rejudge(place))


def told(result: table.Result) -> str:
    """Return a judgement for the terminal, with each contradiction."""
    if not result.get("judgement"):
        return str(result.get("failed"))
    cells = "; ".join(
        f"{head} {cell}" for head, cell in zip(table.HEAD, table.row(result["name"], result), strict=True)
    )
    return "\n  ".join([cells, *result["judgement"]["contradictions"]])


def tried(place: Workplace, args: argparse.Namespace) -> str:
    """Run `gpuwatch try`."""
    _warm(place)
    found = _scorer(args).tried(place, args.budget)
    print("\n".join(found["said"]), file=sys.stderr)
    return json.dumps({name: value for name, value in found.items() if name != "said"})


def show_table(args: argparse.Namespace) -> int:
    """Print the table, or put it into its page."""
    if args.write_docs:
        pages.write("wild", table.page())
        return 0
    for label in LABELS:
        results = table.load(label)
        if results:
            print(f"{label} ({table.commits(results)})\n{table.totals(results)}\n")
            print(aligned(list(table.HEAD), table.rows(results)), end="\n\n")
    return 0


def show_projects() -> int:
    """List the projects with what is known of each."""
    rows = []
    for name in catalogue.names():
        project = catalogue.load(name)
        kept = ablation.load(ablation.TRUTHS / f"{name}.json")
        cached = ((kept.gains.get(ablation.CACHED) or {}).get("step") or {}).get("median") if kept else None
        bound = ", ".join(project.truth.bounds)
        rows.append([name, bound, ", ".join(project.truth.causes) or "nothing", table.times(cached), project.truth.why])
    print(aligned(["project", "bound", "cause", "cached", "why"], rows))
    return 0


def _warm(place: Workplace) -> None:
    """Prepare, and run once uncounted: a first run compiles what it imports."""
    preparation.prepare(place)
    mark = place.folder / "checked"
    if not mark.exists():
        progress(f"{place.project.name}: first run, not counted: {ablation.sentence(run(place))}")
        mark.touch()


def _scorer(args: argparse.Namespace) -> Scorer:
    # Not resolved: a link's own folder holds its Python.
    executable = args.gpuwatch.absolute()
    if not executable.exists():
        raise preparation.Unprepared(f"{args.gpuwatch} does not exist: give --gpuwatch")
    return Scorer(executable, args.label)


VERBS = {"check": check, "truth": truth, "score": score, "rejudge": rejudge, "tried": tried}
