"""SpeechBrain: the speaker identification of its template, augmented in the step, on made utterances."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

PROJECT = Project(
    name="speechbrain_speaker",
    requires=("speechbrain", "soundfile"),
    command=("python", "{files}/train.py", "{files}/train.yaml", "--data_folder={data}", "--device=cpu"),
    data=("speakers.py", "{data}", "10", "36"),
    truth=Truth(bounds=("unknown",), causes=(), why="not measured yet"),
    variants=(Variant("no_augmentation", "the waves are only doubled, not augmented", patch="no_augmentation.py"),),
    results=r"train loss ([\d.]+) valid loss ([\d.]+)",
    workers=(1,),
)
