"""The optimizer updates every row of a large table of which a step uses few.

What it means
    A table of embeddings has a row for each word, user or product. A batch looks up a few of them, yet the gradient is as
    large as the table, almost all of it zeros, and the optimizer reads and writes all rows of the table and of its moments.

How it is measured
    In two steps the rows with a gradient are counted in a sample of a large parameter's rows. The share of the optimizer
    in the step is measured in all of them.

When it is wrong
    With a GPU the host's clock shows when the optimizer's kernels were launched, not how long they ran: there the share is
    a lower bound. Where the same table is also the output layer of the model, all of its rows have a gradient, and
    this does not apply.

What to do
    Make the table's gradient sparse, and give the table an optimizer that updates the rows that have one. That is
    another training: rows without a gradient no longer move by momentum or weight decay.
"""

from __future__ import annotations

from gpuwatch.diagnosis.evidence import hot_line, place
from gpuwatch.diagnosis.needs import MEASURED_LOOP, MeasuredLoop
from gpuwatch.diagnosis.rule import NOT_SO, Found, Missing, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.trainer_code import phase_share
from gpuwatch.model.contents import LargeTable
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.words.source_code import excerpt

_ADVICE = (
    "Make the gradient sparse (nn.Embedding(..., sparse=True)) and give this table to torch.optim.SparseAdam, all other"
    " parameters to the optimizer that they have; or use a row-wise optimizer. Rows without a gradient then no longer move by"
    " momentum or weight decay."
)
# How often an optimizer with two moments passes over a table for each time that its gradient is written.
_PASSES = 8


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    touched: Threshold = Threshold(
        0.1, "share of the rows", "A sparse update of more rows costs as much as a dense one."
    )
    part: Threshold = Threshold(0.3, "share of the parameters", "The optimizer spends its time on other parameters.")
    share: Threshold = Threshold(0.15, "share of the step", "An optimizer that takes less has little to win.")


def check(profile: Profile, t: Thresholds, loop: MeasuredLoop, table: LargeTable) -> Found | None:
    """Report an optimizer that spends its time on rows without a gradient."""
    share, touched = phase_share(profile, "optimizer"), table.touched
    if touched is None or touched > t.touched or table.elements < t.part or share < t.share:
        return None
    line = hot_line(profile, "trainer", "step", "long step")
    return Found(
        severity="critical" if share >= 2 * t.share else "warning",
        confidence="high",
        summary=f"{table.optimizer} updates all {table.rows:,} rows of a table, of which {_percent(touched)} have a gradient:"
        f" {share:.0%} of the step{_made_at(table)}",
        evidence=(
            Evidence("rows with a gradient", round(touched, 6), "share of the rows", t.touched),
            Evidence("optimizer", round(share, 4), "share of the step", t.share, loop.loader.steps),
            Evidence("the table", round(table.elements, 4), "share of the parameters", t.part),
            Evidence("the table's size", table.rows * table.width * 4, "bytes, as float32"),
        ),
        advice=_ADVICE,
        where=table.line.place if table.line else place(line),
        speedup=_sparse(profile, share * table.elements * (1.0 - touched)),
    )


def _sparse(profile: Profile, saved: float) -> Speedup:
    """Predict the step without updates of rows that have no gradient, and without writing zeros for these in backward."""
    backward = phase_share(profile, "backward")
    zeros = min(saved / _PASSES, backward)
    ends = (saved + zeros, 0.9 * saved, saved + min(2 * zeros, backward))
    predicted, low, high = (round(1.0 / max(1.0 - end, 0.01), 3) for end in ends)
    return Speedup(predicted, low, high, "the step without the rows that have no gradient")


def _made_at(table: LargeTable) -> str:
    line = table.line
    return f", made at line {line.place.line}: {excerpt(line.source)}" if line and line.source else ""


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else f"{share:.1%}" if share >= 0.001 else "under 0.1%"


def _table(profile: Profile) -> LargeTable | Missing | NotSo:
    dense = [table for table in profile.tables if table.touched is not None]
    if dense:
        return dense[0]
    return NOT_SO if profile.tables or profile.looked else Missing("a look at the gradients in two steps")


RULE = Rule(
    id="dense-update",
    page=__doc__,
    check=check,
    needs=(MEASURED_LOOP, Need("a look at the gradients in two steps", _table)),
    thresholds=Thresholds(),
    traits=Traits(bound="compute", lanes=("step", "gpu_busy"), in_vain=True),
)
