"""RecBole: BPR on a made atomic file, evaluated each epoch as by default."""

from scripts.benchmarks.wild.project import Place, Project, Truth, Variant

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
    truth=Truth(
        bounds=("input",),
        causes=("evaluation-share", "expensive-collate"),
        also=("no-worker-processes",),
        why="cached batches make a step 1.97 times as fast, no evaluation the loop 1.98 times; one worker makes it slower (0.17)",
        places=(Place("run_recbole.py"), Place("recbole/data/dataloader/general_dataloader.py", "collate_fn")),
    ),
    variants=(Variant("no_evaluation", "no evaluation between the epochs", arguments=("--eval_step=0",)),),
    workers=(1,),
    results=r"train loss: ([\d.]+)",
)
