"""The terms of a gate as JUnit XML, which every CI system shows as tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from xml.etree import ElementTree

from gpuwatch.views.text import clean


class Case(NamedTuple):
    """One term of a gate: `failed` says that it trips."""

    term: str
    said: str
    failed: bool


def render(name: str, cases: Iterable[Case]) -> str:
    """Return a test suite with a test for each term; `name` is the run's."""
    cases = list(cases)
    counts = {"tests": str(len(cases)), "failures": str(sum(case.failed for case in cases)), "errors": "0"}
    suites = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": clean(f"gpuwatch {name}"), **counts})
    for case in cases:
        test = ElementTree.SubElement(suite, "testcase", {"classname": "gpuwatch.check", "name": clean(case.term)})
        of = ElementTree.SubElement(test, "failure", {"message": clean(case.said)}) if case.failed else None
        (of if of is not None else ElementTree.SubElement(test, "system-out")).text = clean(case.said)
    ElementTree.indent(suites)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(suites, encoding="unicode")}\n'
