"""RecBole: BPR on a made atomic file, evaluated each epoch as by default."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

PROJECT = Project(
    name="recbole_bpr",
    # RecBole 1.2.1 is of a time before numpy 2 and pandas 3, its ray of one before setuptools 81.
    requires=("recbole", "numpy<2", "pandas<3", "scipy<1.14", "setuptools<81"),
    command=(
        "python",
        "{files}/run_recbole.py",
        "--model=BPR",
        "--dataset=made",
        "--config_files={files}/made.yaml",
        "--data_path={data}",
    ),
    data=("interactions.py", "{data}", "1500", "2000", "60"),
    truth=Truth(bounds=("unknown",), causes=(), why="not measured yet"),
    variants=(Variant("no_evaluation", "no evaluation between the epochs", arguments=("--eval_step=0",)),),
    results=r"train loss: ([\d.]+)",
)
