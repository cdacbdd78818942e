"""Keep secrets that were typed on a command line out of the recording. The hook carries a copy: Python 3.8, no imports
but the standard library's.

A value is a secret by the name before it (`--api-key x`, `HF_TOKEN=x`, `{"password": "x"}`, `X-Api-Key: x`) or by its own
shape (`hf_…`, a key in PEM). In doubt it is masked, except for what is common in trainings: counts of tokens, keys of
dictionaries, hashes of commits. One-letter options are not judged: `-p` is a port, a prefix or a precision more often.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MASK = "***"

# Names are judged as words in lower case with `_` before each: `_wandb_api_key` for WANDB_API_KEY and wandb.apiKey.
# A name with one of these endings, or with its plural, is that of a secret.
_PHRASES = ("password", "passwd", "passphrase", "passcode", "secret", "sshpass", "_pwd", "_pw")
_KEYS_TO = (
    "api access secret private auth encryption signing ssh service license account storage session master shared deploy"
    " subscription wandb comet neptune hf openai anthropic github aws s3 azure gcp ngc kaggle"
)
_SECRET = (
    *_PHRASES,
    *("credential", "apikey", "authkey", "accesskey", "secretkey", "privatekey", "accesstoken"),
    *("_authorization", "_bearer", "_cookie", "_jwt"),
    *("_api_id", "_access_id", "_secret_id", "_auth_id", "_private_id", "_access_key_id"),
    *("_access_token", "_api_token", "_bearer_token", "_refresh_token", "_session_token"),
    *("_%s_key" % service for service in _KEYS_TO.split()),
)
_SIGNATURE = ("_sig", "_signature")
# Of these a number or a switch is none: `--max-tokens 512`, `--use-auth true`.
_LIKELY = ("token", "_auth", "_pass")
# A token of a vocabulary is called so.
_OF_TEXT = frozenset(
    "max min num n pad eos bos unk mask cls sep special per image video audio begin end start stop next new last first"
    " class prompt placeholder initializer instance trigger register".split()
)
# The key of a dictionary, or of a service: its value tells.
_KEY = ("_key",)
# What has forty hexadecimal digits as well, like the keys of W&B.
_HASHES = frozenset(
    "commit revision rev sha md hash checksum digest fingerprint ref version tag branch head base snapshot checkpoint"
    " ckpt model id".split()
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

# What such a value may be, or a list hold: a number, a switch, a special token; or words, not random letters.
_PARTS = re.compile(r"[^\s\[\]{}()\"',;]+")
_HARMLESS = re.compile(
    r"[-+]?[\d_.]{1,8}(e[-+]?\d+)?[kmbtg]?|true|false|yes|no|on|off|none|null|<[^<>]*>", re.IGNORECASE
)
_PLAIN = re.compile(r"(?=.{1,40}$)([a-z]+|[A-Z]+|[A-Z][a-z]+)([_.:/-]([a-z]+|[A-Z]+|[A-Z][a-z]+))*")

_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_SHAPE = re.compile(
    r"(?<![\w./-])(?:hf_(?:oauth_)?[A-Za-z0-9]{16,}|sk-(?=[\w-]*\d)[\w-]{16,}|[rs]k_live_\w{16,}|gh[opusr]_[A-Za-z0-9]{16,}"
    r"|github_pat_\w{16,}|gl(?:pat|ptt|dt|rt|cbt|soat|ft)-[\w-]{16,}|xox[a-z]-[\w-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{12,}|eyJ[\w-]{8,}\.[\w.-]{8,}"
    r"|AIza[\w-]{30,}|nvapi-[\w-]{16,}|gsk_\w{16,}|npm_\w{30,}|pypi-[\w-]{30,}|dapi[0-9a-f]{32}|wandb_v1_\w{16,}"
    r"|local-[0-9a-f]{40})"
)
_WEBHOOK = re.compile(r"(hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks)/[^\s\"']+")
_HEX40 = re.compile(r"(?<![\w./@-])[0-9a-f]{40}(?![\w./-])")
_USER = re.compile(r"(?<![\w+.-])(?P<scheme>[A-Za-z][\w+.-]*://)(?P<user>[^/\s:@\"']*)(?P<password>:[^/\s\"']+)?@")
_LONG_WITH_DIGIT = re.compile(r"(?=\D*\d).{16,}")

# A name and what stands between it and its value; in a text of several words (`bash -c`, JSON) anywhere.
_NAMED = re.compile(
    r"(?<![\w.-])(?:(?P<option>--?[A-Za-z][\w.-]*)\s+(?=[^\s-])"
    r"|(?<!//)(?P<name>-{0,2}[A-Za-z_][\w.-]*)(?P<sep>\\*[\"']?\s*[=:](?!=))\s*(?!//)|(?P<scheme>[Bb]earer)\s+)"
)
_SCHEME = re.compile(r"(bearer|basic|token|digest|apikey|negotiate)(\s+|$)", re.IGNORECASE)
_QUOTED = re.compile(r"(\\*)([\"'])")
_BRACKETS = re.compile(r"\"(?:[^\"\\]|\\.)*\"|[\[{]|[\]}]", re.DOTALL)
_IN_URL, _IN_LIST, _IN_WORDS = re.compile(r"[^\s\"'&#;]*"), re.compile(r"[^\s\"'\\,;&)}\]]*"), re.compile(r"[^\s\"']*")
_WHOLE = re.compile(r"(?P<name>[-+~]*[A-Za-z_@][\w./@-]*)(?P<sep>=|:\s+)(?P<value>.*)", re.DOTALL)
_BEFORE_VALUE = re.compile(r"(?P<option>--?[A-Za-z][\w.-]*)|(?P<header>[A-Za-z][\w-]*):|(?P<scheme>[Bb]earer)")


def mask_arguments(arguments: Iterable[str]) -> tuple[str, ...]:
    """Return the arguments with `***` in place of what is, or may be, a secret."""
    masked: list[str] = []
    name: str | None = None
    for argument in arguments:
        value_of = name if name and not argument.startswith("-") else None
        if value_of and _SCHEME.fullmatch(argument) and _words(value_of).endswith("authorization"):
            masked.append(argument)
            continue
        masked.append(MASK if is_secret(value_of, argument) else _mask_one(argument))
        before = _BEFORE_VALUE.fullmatch(argument)
        name = before[before.lastgroup or 0] if before else None
    return tuple(masked)


def same_command(one: Sequence[str], other: Sequence[str]) -> bool:
    """Say whether two commands are the same but for what is masked in one of them, by these rules or by earlier ones."""
    pairs = list(zip(mask_arguments(one), mask_arguments(other)))
    return len(one) == len(other) and all(_fits(a, b) or _fits(b, a) for a, b in pairs)


def _fits(masked: str, argument: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in masked.split(MASK))
    return masked == argument or re.fullmatch(pattern, argument, re.DOTALL) is not None


def is_secret(name: str | None, value: str, in_url: bool = False) -> bool:
    """Say whether a value is a secret, from the name given with it and from its own shape."""
    words = _words(name or "")
    if not value or value == MASK:
        return bool(value)
    if _ends(words, _SECRET) or (in_url and _ends(words, _SIGNATURE)):
        return name != "PWD"  # the shell's working folder
    if _HEX40.fullmatch(value):
        return words.rpartition("_")[2] not in _HASHES
    if _ends(words, _LIKELY):
        return words.split("_")[-2] not in _OF_TEXT and not all(map(_HARMLESS.fullmatch, _PARTS.findall(value)))
    return _ends(words, _KEY) and not all(
        _HARMLESS.fullmatch(part) or _PLAIN.fullmatch(part) for part in _PARTS.findall(value)
    )


def _words(name: str) -> str:
    """Return a name's words, those of `hub.apiKey-2` as `_hub_api_key`."""
    words = _WORD.findall(name)
    while words and words[-1].isdigit():
        words.pop()
    return "".join("_" + word.lower() for word in words)


def _ends(words: str, endings: tuple[str, ...]) -> bool:
    return words.endswith(endings) or (words.endswith("s") and words[:-1].endswith(endings))


def _mask_one(argument: str) -> str:
    """Mask inside one argument: all after a secret's name, else what is found in its text."""
    whole = _WHOLE.fullmatch(_PEM.sub(MASK, argument))
    if whole and is_secret(whole["name"], whole["value"]) and _is_all(*whole.groups()):
        scheme = _SCHEME.match(whole["value"])
        return whole["name"] + whole["sep"] + (scheme[0] if scheme and scheme[2] else "") + MASK
    return _mask_text(argument)


def _is_all(name: str, sep: str, value: str) -> bool:
    """Say whether a value goes to the end of its argument: `HF_TOKEN=x python train.py` is a line of shell.

    A password may have blanks in it; no key or token has."""
    return name.startswith("-") or sep != "=" or " " not in value or _ends(_words(name), (*_PHRASES, "_pass"))


def _mask_text(text: str) -> str:
    text = _USER.sub(_mask_user, _PEM.sub(MASK, text))
    pieces, at = [], 0
    for start, end in _secrets(text):
        pieces += [text[at:start], MASK]
        at = end
    text = "".join([*pieces, text[at:]])
    return _mask_hashes(_WEBHOOK.sub(r"\1/" + MASK, _SHAPE.sub(MASK, text)))


def _mask_user(found: re.Match[str]) -> str:
    user = found["user"]
    random = (
        _SHAPE.fullmatch(user) or _HEX40.fullmatch(user) or (not found["password"] and _LONG_WITH_DIGIT.match(user))
    )
    return found["scheme"] + (MASK if random else user) + (":" + MASK if found["password"] else "") + "@"


def _mask_hashes(text: str) -> str:
    """Mask what may be a W&B key among the words of a text; where it is all of it, its name has been judged already."""

    def judged(found: re.Match[str]) -> str:
        before = text[max(found.start() - 80, 0) : found.start()].split()
        return MASK if before and is_secret(before[-1], found[0]) else found[0]

    return _HEX40.sub(judged, text)


def _secrets(text: str) -> Iterator[tuple[int, int]]:
    """Yield where in a text the values of secret names stand."""
    found = _NAMED.search(text)
    while found:
        start, end = _value(text, found)
        name = found["option"] or found["name"] or found["scheme"]
        go_on = found.end()
        if is_secret(name, text[start:end].strip("\\\"'"), in_url=_before(text, found) in ("?", "&")):
            yield start, end
            go_on = end
        found = _NAMED.search(text, go_on)


def _value(text: str, found: re.Match[str]) -> tuple[int, int]:
    """Return where the value begins and ends whose name was found: without the quotes around it."""
    start = found.end()
    scheme = _SCHEME.match(text, start)
    start = scheme.end() if scheme and scheme[2] else start
    quote = _QUOTED.match(text, start)
    if quote:
        return quote.end(), _until(text, quote[0], quote.end())
    if text[start : start + 1] in ("{", "["):
        return start, _closing(text, start)
    before, sep = _before(text, found), found["sep"] or ""
    if before in ('"', "'") and sep in (":", "="):
        return start, _until(text, before, start)  # 'X-Api-Key: x'
    listed = before in ("{", ",", "(", "[") or sep.endswith(":")
    bare = _IN_URL if before in ("?", "&", ";") else _IN_LIST if listed else _IN_WORDS
    end = bare.match(text, start)
    return start, end.end() if end else start


def _before(text: str, found: re.Match[str]) -> str:
    return text[max(found.start() - 1, 0) : found.start()]


def _until(text: str, quote: str, start: int) -> int:
    """Return where a quoted value ends; one that was cut off, at the end of the text."""
    end = text.find(quote, start)
    while end > start and len(quote) == 1 and text[end - 1] == "\\":
        end = text.find(quote, end + 1)
    return end if end >= 0 else len(text)


def _closing(text: str, start: int) -> int:
    """Return where the brackets close that open at `start`."""
    depth = 0
    for found in _BRACKETS.finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
    return len(text)
