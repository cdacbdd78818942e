"""Write utterances of speakers as wavs with a manifest for SpeechBrain: `speakers.py FOLDER SPEAKERS UTTERANCES`."""

import json
import sys
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000


def utterance(rng, pitch, seconds):
    """Return a voiced buzz at a speaker's pitch that comes and goes like syllables, in noise."""
    time = np.arange(int(RATE * seconds)) / RATE
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.05 * np.sin(2 * np.pi * 1.3 * time))) / RATE
    voice = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 4 * time + rng.uniform(0, 6)), 0, None)
    return (0.1 * voice * syllables + 0.01 * rng.standard_normal(time.size)).astype(np.float32)


def main(folder, speakers, utterances):
    """Write wav/SPEAKER/NUMBER.flac, train.json and valid.json: paths are relative to {data_root}."""
    folder = Path(folder)
    rng = np.random.default_rng(0)
    manifests = {"train": {}, "valid": {}}
    for speaker in range(int(speakers)):
        (folder / "wav" / f"spk{speaker}").mkdir(parents=True)
        for number in range(int(utterances)):
            seconds = float(rng.uniform(1.5, 3.0))
            name = f"wav/spk{speaker}/{number:04d}.flac"
            soundfile.write(folder / name, utterance(rng, 90 + 12 * speaker, seconds), RATE)
            split = "valid" if number % 10 == 0 else "train"
            manifests[split][f"spk{speaker}-{number:04d}"] = {
                "wav": f"{{data_root}}/{name}",
                "length": seconds,
                "spk_id": f"spk{speaker}",
            }
    for split, manifest in manifests.items():
        (folder / f"{split}.json").write_text(json.dumps(manifest, indent=1))


main(*sys.argv[1:])
