"""Whose run it is, in a few words: its job or pod, and the commit."""

from __future__ import annotations

from collections.abc import Mapping

from gpuwatch.views import text


def parts(identity: Mapping[str, str] | None) -> list[str]:
    """Return what tells a run from others of its kind; nothing of one that no scheduler started, outside of a repository."""
    known = {name: text.clean(value) for name, value in (identity or {}).items()}
    return [part for part in (_slurm(known), _pod(known), _commit(known)) if part]


def _slurm(known: Mapping[str, str]) -> str:
    job = known.get("slurm_job")
    if not job:
        return ""
    if "slurm_array_job" in known and "slurm_array_index" in known:
        job = f"{known['slurm_array_job']}_{known['slurm_array_index']}"
    step = f".{known['slurm_step']}" if "slurm_step" in known else ""
    return f"Slurm job {job}{step}" + (f" in {known['slurm_partition']}" if "slurm_partition" in known else "")


def _pod(known: Mapping[str, str]) -> str:
    if "pod" not in known:
        return ""
    return f"pod {known['namespace']}/{known['pod']}" if "namespace" in known else f"pod {known['pod']}"


def _commit(known: Mapping[str, str]) -> str:
    commit = known.get("git_commit", "")[:10]
    changed = {"yes": ", with changes", "no": ""}.get(known.get("git_changed", ""), "")
    return f"commit {commit}{changed}" if commit else ""
