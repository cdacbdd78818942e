"""A report in Prometheus' text exposition format 0.0.4, from the metric catalogue."""

from __future__ import annotations

from gpuwatch.model.metrics import CATALOGUE, Metric
from gpuwatch.model.readings import Reading
from gpuwatch.model.report import Report
from gpuwatch.words.units import UNITS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
INFO = ("gpuwatch_run_info", "The run that the other metrics are of: its state and gpuwatch's version, as labels.")


def render(report: Report) -> str:
    """Return every measured metric of the report; what was not measured is absent, not zero."""
    common = {"run": report.run.id, "host": report.run.host} | ({"name": report.run.name} if report.run.name else {})
    lines = [_info(report, common)]
    for metric in CATALOGUE:
        readings = list(metric.reader.readings(report)) if metric.exported else []
        if readings:
            lines += [
                f"# HELP {metric.prometheus_name} {_escape_help(metric.about)}",
                f"# TYPE {metric.prometheus_name} {metric.kind}",
            ]
            lines += [_sample(metric, reading, common) for reading in readings]
    return "\n".join(lines) + "\n"


def _info(report: Report, common: dict[str, str]) -> str:
    name, about = INFO
    labels = {**common, "state": report.run.state, "gpuwatch": report.run.gpuwatch}
    return f"# HELP {name} {about}\n# TYPE {name} gauge\n{name}{_labels(labels)} 1"


def _sample(metric: Metric, reading: Reading, common: dict[str, str]) -> str:
    value = reading.value * UNITS[metric.unit].scale
    return f"{metric.prometheus_name}{_labels({**common, **reading.labels})} {value:.12g}"


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    harmless = value.encode("utf-8", "replace").decode("utf-8")
    return harmless.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _escape_help(words: str) -> str:
    return words.replace("\\", "\\\\").replace("\n", "\\n")
