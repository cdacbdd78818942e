"""Whose run this is, where and of what: job, pod, cgroup, image, commit. Names from an allow-list of variables and files.

What a scheduler puts into the environment beside these is not read: there are secrets in it.
"""

from __future__ import annotations

import getpass
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from gpuwatch.words.masking import mask_arguments

# What each fact is called, and the variables that may hold it, the first that does.
_VARIABLES = {
    "slurm_job": ("SLURM_JOB_ID",),
    "slurm_step": ("SLURM_STEP_ID",),
    "slurm_array_job": ("SLURM_ARRAY_JOB_ID",),
    "slurm_array_index": ("SLURM_ARRAY_TASK_ID",),
    "slurm_user": ("SLURM_JOB_USER",),
    "slurm_partition": ("SLURM_JOB_PARTITION",),
    "slurm_cluster": ("SLURM_CLUSTER_NAME",),
    "pod": ("POD_NAME", "MY_POD_NAME"),
    "namespace": ("POD_NAMESPACE", "MY_POD_NAMESPACE"),
    "kubernetes_node": ("NODE_NAME", "MY_NODE_NAME"),
    "kubernetes_index": ("JOB_COMPLETION_INDEX",),
    "image": ("CONTAINER_IMAGE", "SLURM_CONTAINER", "APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"),
}
_NAMESPACE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
_POD_UID = re.compile(r"pod([0-9a-f]{8}[-_](?:[0-9a-f]{4}[-_]){3}[0-9a-f]{12})")
_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LONGEST = 300
_GIT_S = 0.5


def identity_of(cwd: Path, environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> dict[str, str]:
    """Return what is known of the run that starts in `cwd`, by the name of each fact; what is unknown is left out."""
    found = {
        name: next((environ[v] for v in variables if environ.get(v)), "") for name, variables in _VARIABLES.items()
    }
    cgroup = _read(root / "proc/self/cgroup")
    if environ.get("KUBERNETES_SERVICE_HOST"):
        found["pod"] = found["pod"] or environ.get("HOSTNAME", "")
        found["namespace"] = found["namespace"] or _read(root / _NAMESPACE.lstrip("/"))
    pod = _POD_UID.search(cgroup)
    found["pod_uid"] = pod[1].replace("_", "-") if pod else ""
    found["cgroup"] = next((path for path in map(_path_of, cgroup.splitlines()) if path not in ("", "/")), "")
    found["user"] = _user()
    found["git_commit"] = commit_of(cwd) or ""
    return {name: mask_arguments([value])[0][:_LONGEST] for name, value in found.items() if value}


def working_tree(folder: Path) -> Path | None:
    """Return the top of the git working tree around a folder; None where there is none."""
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)


def commit_of(folder: Path) -> str | None:
    """Return the commit that is checked out in the working tree around a folder; None where there is none."""
    tree = working_tree(folder)
    if tree is None:
        return None
    git = tree / ".git"
    if git.is_file():  # a worktree, or a submodule
        git = tree / _read(git).removeprefix("gitdir: ")
    head = _read(git / "HEAD")
    if not head.startswith("ref: "):
        return head if _HASH.fullmatch(head) else None
    ref = head.removeprefix("ref: ")
    common = git / (_read(git / "commondir") or ".")
    commit = _read(git / ref) or _read(common / ref) or _packed(_read(common / "packed-refs"), ref)
    return commit if _HASH.fullmatch(commit) else None


def ask_for_changes(folder: Path) -> Callable[[], str | None]:
    """Start to look whether files of the working tree differ from its commit; return what waits a moment for the answer: "yes",
    "no", or None where git does not tell in time. Nothing of the tree is written, nor locked."""
    try:
        asked = subprocess.Popen(
            ("git", "-C", str(folder), "status", "--porcelain", "--branch", "--untracked-files=no"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace",
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
    except OSError:
        return lambda: None

    def answer() -> str | None:
        try:
            lines = asked.communicate(timeout=_GIT_S)[0].splitlines()
        except subprocess.TimeoutExpired:
            asked.kill()
            asked.communicate()
            return None
        # The first line names the branch: without it git failed.
        return ("yes" if lines[1:] else "no") if lines else None

    return answer


def _packed(refs: str, ref: str) -> str:
    return next((line.partition(" ")[0] for line in refs.splitlines() if line.endswith(f" {ref}")), "")


def _path_of(line: str) -> str:
    return line.split(":", 2)[-1]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"#{os.getuid()}"


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
