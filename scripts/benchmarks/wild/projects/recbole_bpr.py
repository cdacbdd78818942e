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
        why="the stamps of a calm run show 53 to 60 % of a training step waiting, without worker processes, for the "
        "collate function that draws negative items, and half of the loop outside the training passes, in the "
        "evaluation after each epoch; the ablations are not run yet",
        places=(Place("run_recbole.py"), Place("recbole/data/dataloader/general_dataloader.py", "collate_fn")),
    ),
    variants=(Variant("no_evaluation", "no evaluation between the epochs", arguments=("--eval_step=0",)),),
    workers=(1,),
    results=r"train loss: ([\d.]+)",
)
