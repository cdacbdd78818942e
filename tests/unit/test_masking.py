from __future__ import annotations

import pytest

from gpuwatch.words.masking import mask_arguments


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--hf-token", "abc", "x"], ["--hf-token", "***", "x"]),
        (["--api_key=abc"], ["--api_key=***"]),
        (["env", "WANDB_API_KEY=abc", "python"], ["env", "WANDB_API_KEY=***", "python"]),
        (["model.password=abc"], ["model.password=***"]),
        (["s3://user:word@host/x"], ["s3://user:***@host/x"]),
        (["--login", "hf_abcdefghijklmnopqrst"], ["--login", "***"]),
        (["--max-tokens", "512"], ["--max-tokens", "512"]),
        (["--num_tokens=512"], ["--num_tokens=512"]),
        (["--pad-token", "<pad>"], ["--pad-token", "<pad>"]),
        (["--use-auth-token", "--epochs", "3"], ["--use-auth-token", "--epochs", "3"]),
        (["train.py", "--data=/x/tokenizer.json", "lr=0.1"], ["train.py", "--data=/x/tokenizer.json", "lr=0.1"]),
    ],
)
def test_secrets_are_masked_and_hyperparameters_kept(given: list[str], kept: list[str]) -> None:
    assert list(mask_arguments(given)) == kept
