"""`--where` and `--since`."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from gpuwatch.errors import UsageError
from gpuwatch.fleet.columns import TABLES
from gpuwatch.fleet.filters import FIELDS, conditions, moment

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)


def test_every_field_is_a_column() -> None:
    assert {column.strip('"') for column in FIELDS.values()} <= set(TABLES["runs"])


def test_values_are_never_part_of_the_query() -> None:
    for wanted in ("user=x' OR 1=1 --", "commit=3f2a'", "project=*'"):
        (condition,) = conditions([wanted])
        assert "'" not in condition.sql and condition.values == (wanted.partition("=")[2],)


def test_a_commit_may_be_short_and_a_pattern_stands_for_many() -> None:
    assert conditions(["commit=3f2a"])[0].sql.startswith("starts_with")
    assert "GLOB" in conditions(["project=img*"])[0].sql


@pytest.mark.parametrize(
    ("wanted", "said"), [("usr=x", "did you mean user"), ("user", "FIELD=VALUE"), ("user=", "FIELD=VALUE")]
)
def test_a_wrong_condition_says_what_is_right(wanted: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        conditions([wanted])


@pytest.mark.parametrize(
    ("since", "when"),
    [
        ("7d", datetime(2026, 11, 22, 12, tzinfo=timezone.utc)),
        ("36h", datetime(2026, 11, 28, tzinfo=timezone.utc)),
        ("2w", datetime(2026, 11, 15, 12, tzinfo=timezone.utc)),
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=timezone.utc)),
    ],
)
def test_since_is_an_age_or_a_date(since: str, when: datetime) -> None:
    assert moment(since, NOW) == when


def test_a_date_alone_is_midnight_here() -> None:
    assert moment("2026-11-20", NOW) == datetime(2026, 11, 20).astimezone()


@pytest.mark.parametrize("since", ["yesterday", "7", "99999999999d"])
def test_a_wrong_time_says_what_is_right(since: str) -> None:
    with pytest.raises(UsageError, match="2026-11-20, 36h, 7d or 2w"):
        moment(since, NOW)
