"""Make volumes, then plan and preprocess them with nnU-Net's own command: `prepare.py FOLDER COUNT SHAPE`."""

import subprocess
import sys
from pathlib import Path

MAKER = Path(__file__).parents[2] / "data" / "volumes.py"


def main(folder, count, shape):
    """Run both; where nnU-Net reads and writes is in its own variables of the environment."""
    subprocess.run([sys.executable, MAKER, Path(folder, "raw", "Dataset001_made"), count, shape, "nnunet"], check=True)
    plan = Path(sys.executable).with_name("nnUNetv2_plan_and_preprocess")
    subprocess.run([plan, "-d", "1", "-c", "2d", "-np", "2", "-npfp", "2"], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
