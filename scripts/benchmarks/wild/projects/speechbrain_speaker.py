"""SpeechBrain: the speaker identification of its template, augmented in the step, on made utterances."""

from scripts.benchmarks.wild.project import Place, Project, Truth, Variant

PROJECT = Project(
    name="speechbrain_speaker",
    requires=("speechbrain", "soundfile"),
    command=("python", "{files}/train.py", "{files}/train.yaml", "--data_folder={data}", "--device=cpu"),
    data=("speakers.py", "{data}", "10", "36"),
    truth=Truth(
        bounds=("input", "compute"),
        causes=(),
        also=("no-worker-processes", "slow-step-code"),
        places=(Place("speechbrain_speaker/train.py"),),
        why="8 % of the loop waits for data, on the threshold of the verdict; one worker makes it 0.79, leaving the augmentation in the "
        "step out 1.18 times as fast. Cached batches (1.29) are of one length, and so cost the model less too",
    ),
    variants=(Variant("no_augmentation", "the waves are only doubled, not augmented", patch="no_augmentation.py"),),
    results=r"train loss ([\d.]+) valid loss ([\d.]+)",
    workers=(1,),
)
