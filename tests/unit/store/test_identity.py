"""Whose run it is: names from the scheduler, the cgroup and the repository; never anything else of the environment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from gpuwatch.store.identity import ask_for_changes, commit_of, identity_of
from gpuwatch.views.identity_text import parts

POD = "1b6fd8b5-6ac4-4f4e-9f0e-0d7a3c1f2a3b"


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ("git", "-C", str(folder), *who, *arguments), check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of a machine that is in no pod."""
    (tmp_path / "root/proc/self").mkdir(parents=True)
    (tmp_path / "root/proc/self/cgroup").write_text("0::/system.slice/slurmstepd.scope/job_42/step_0/user\n")
    return tmp_path / "root"


def test_a_slurm_task_is_told_by_its_variables_and_nothing_else_of_them_is_kept(tmp_path: Path, root: Path) -> None:
    environ = {
        "SLURM_JOB_ID": "42", "SLURM_STEP_ID": "0", "SLURM_ARRAY_JOB_ID": "40", "SLURM_ARRAY_TASK_ID": "3",
        "SLURM_JOB_USER": "ada", "SLURM_JOB_PARTITION": "h100", "SLURM_JWT": "eyJhbGciOi", "WANDB_API_KEY": "0" * 40,
    }  # fmt: skip
    found = identity_of(tmp_path, environ, root)
    told = {name: found[name] for name in found if name != "user"}
    assert told == {
        "slurm_job": "42", "slurm_step": "0", "slurm_array_job": "40", "slurm_array_index": "3", "slurm_user": "ada",
        "slurm_partition": "h100", "cgroup": "/system.slice/slurmstepd.scope/job_42/step_0/user",
    }  # fmt: skip
    assert parts(found) == ["Slurm job 40_3.0 in h100"]


def test_a_pod_is_told_by_the_downward_api_its_account_and_its_cgroup(tmp_path: Path, root: Path) -> None:
    pod = POD.replace("-", "_")
    (root / "proc/self/cgroup").write_text(
        f"0::/kubepods.slice/kubepods-burstable-pod{pod}.slice/cri-containerd-ab.scope\n"
    )
    account = root / "var/run/secrets/kubernetes.io/serviceaccount"
    account.mkdir(parents=True)
    (account / "namespace").write_text("vision")
    (account / "token").write_text("eyJsecret")
    environ = {
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "HOSTNAME": "train-0",
        "NODE_NAME": "gpu7",
        "CONTAINER_IMAGE": "r/t:1",
    }
    found = identity_of(tmp_path, environ, root)
    assert (found["pod"], found["namespace"], found["pod_uid"]) == ("train-0", "vision", POD)
    assert (found["kubernetes_node"], found["image"]) == ("gpu7", "r/t:1")
    assert "eyJsecret" not in json.dumps(found)
    assert parts(found) == ["pod vision/train-0"]


def test_the_commit_is_read_without_git_and_changes_are_asked_of_it(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "src").mkdir(parents=True)
    assert commit_of(tree / "src") is None or commit_of(tree / "src") == commit_of(tmp_path)
    git(tree, "init", "-q", "-b", "main")
    (tree / "train.py").write_text("a")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "first")
    commit = git(tree, "rev-parse", "HEAD").strip()
    assert commit_of(tree / "src") == commit
    assert ask_for_changes(tree)() == "no"
    (tree / "train.py").write_text("b")
    assert ask_for_changes(tree)() == "yes"
    git(tree, "pack-refs", "--all")
    assert commit_of(tree) == commit
    git(tree, "checkout", "-q", "--detach")
    assert commit_of(tree) == commit
    git(tree, "worktree", "add", "-q", str(tmp_path / "other"), "main")
    assert commit_of(tmp_path / "other") == commit
    assert parts({"git_commit": commit, "git_changed": "yes"}) == [f"commit {commit[:10]}, with changes"]
    assert ask_for_changes(tmp_path / "nowhere")() is None
