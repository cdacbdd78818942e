"""Keep secrets that were typed on a command line out of the recording."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "***"
_NAME = re.compile(
    r"(pass(word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credential|auth)s?$", re.IGNORECASE
)
# Numbers and names of numbers are hyper-parameters (`--max-token 512`), never secrets worth the doubt.
_HARMLESS = re.compile(r"(max|min|num|n|pad|eos|bos|unk|mask|special|per)[-_.]?(\w+[-_])*token", re.IGNORECASE)
_VALUE = re.compile(r"^(hf_|sk-|ghp_|github_pat_|glpat-|xox[abpr]-|AKIA|ASIA|eyJ[\w-]+\.)[\w.-]{12,}$")
_URL = re.compile(r"(?P<head>\w+://[^/\s:@]*):[^/\s@]+@")


def mask_arguments(arguments: Iterable[str]) -> tuple[str, ...]:
    """Return the arguments with what looks like a secret replaced by `***`: values of options called so,
    well-known token shapes, passwords in URLs."""
    masked: list[str] = []
    secret_next = False
    for argument in arguments:
        hide = secret_next and not argument.startswith("-")
        masked.append(MASK if hide else _mask(argument))
        secret_next = argument.startswith("-") and "=" not in argument and _is_secret(argument)
    return tuple(masked)


def _mask(argument: str) -> str:
    if _VALUE.match(argument):
        return MASK
    name, equals, value = argument.partition("=")
    if equals and value and (_is_secret(name) or _VALUE.match(value)):
        return f"{name}={MASK}"
    return _URL.sub(rf"\g<head>:{MASK}@", argument)


def _is_secret(name: str) -> bool:
    return bool(_NAME.search(name)) and not _HARMLESS.search(name)
