"""Values that nobody would choose, and that people's machines have: variables, options, streams."""

import os
import random
import resource
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from distilgpt2_cli.cli.app import COMMANDS, load_command
from distilgpt2_cli.models import demo
from tests.fuzz.child import reopen_streams

FILES: Mapping[str, bytes] = {
    "empty": b"",
    "text.txt": b"Once upon a time there was a little girl. She had a dog.\n" * 3,
    "cut.gguf": demo().path.read_bytes()[:50_000],
    "binary": bytes(range(256)),
    "mark.txt": "\ufeffHello\r\nthere\r\n\r\n".encode(),
    "caf\udce9.txt": b"Hello\n",
    "schema.json": b'{"type": "boolean"}',
    "odd.json": b'{"enum": [1e999], "type": [{}]}',
    "digits.gbnf": b'root ::= "1" | "2"\n',
    "odd.gbnf": b"root ::= root\n",
    "record.jsonl": b'{"prompt": "Hi", "text": 3}\n[]\n',
    "digits.json": b'{"const": %s, "prompt": %s}\n' % (b"9" * 5000, b"9" * 5000),
    "deep.json": b"[" * 100_000,
    "pairs.jsonl": b'{"more": "She ran.", "less": "He ran."}\n',
    "old.npy": b"mine",
}
NAMES = (*FILES, "demo", "nowhere", "folder", "link", "/dev/null", "/proc/self/mem", "~", "", "-")
NUMBERS = (
    "0",
    "1",
    "2",
    "-1",
    "1.5",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "x",
    "",
    "\u0663",
    "1_0",
    " 1",
)
HUGE = ("99999999999999999999", "9" * 5000, "2147483648")
TEXTS = (
    "", " ", "\n", "caf\udce9", "\u202e\x1b[31m", "a" * 4000, "\\n|\\", "|", "a|b", "{a|b}",
    "{", "../..", "a/b", "a/b/c", "-", "--", "Q8_0", "q2_k", "main", "\U0001f467", "%s{0}", "auto",
)  # fmt: skip
# Options of which large numbers mean much work, and those that name files to write.
COUNTS = ("--max-tokens", "--num-sequences", "--tokens", "--repetitions", "--parallel")
WRITTEN = ("--output", "--to", "--plot", "--html")

SWITCHES = ("", "0", "1", "maybe", "caf\udce9")
FOLDERS = (
    "",
    "folder",
    "text.txt",
    "nowhere",
    "/dev/null",
    "/proc/nowhere",
    "caf\udce9",
    "~",
    "$X",
)
PROXIES = (
    "", "socks5://127.0.0.1:9", "socks://127.0.0.1:9", "socks4://a:secret@b", "127.0.0.1:9", "http://",
    "http://a:secret", "http://[::1", "://", "http://127.0.0.1:99999", "caf\udce9", "ftp://a", "@",
)  # fmt: skip
VARIABLES: Mapping[str, Sequence[str]] = {
    "HF_ENDPOINT": ("", "hf-mirror.com", "https://", "http://[", "ftp://a", "http://a:secret@127.0.0.1:9",
                    "http://127.0.0.1:99999", "http://\udce9", "http://a b", "http://a\n"),
    "HF_HUB_ETAG_TIMEOUT": ("", "2.5", "30s", "-1", "0", "9" * 30),
    "HF_HUB_DOWNLOAD_TIMEOUT": ("", "2.5", "x"),
    "HF_HUB_OFFLINE": SWITCHES,
    "TRANSFORMERS_OFFLINE": SWITCHES,
    "HF_HUB_DISABLE_XET": SWITCHES,
    "HF_HUB_ENABLE_HF_TRANSFER": SWITCHES,
    "HF_DEBUG": SWITCHES,
    "HF_HUB_VERBOSITY": ("", "loud", "debug", "error"),
    "HF_TOKEN": ("", "caf\u00e9", "\udce9", "a\nb", "x" * 10_000),
    "HF_TOKEN_PATH": FOLDERS,
    "HF_OIDC_RESOURCE": ("", "x"),
    "HF_HOME": FOLDERS,
    "HF_HUB_CACHE": FOLDERS,
    "HUGGINGFACE_HUB_CACHE": FOLDERS,
    "XDG_CACHE_HOME": FOLDERS,
    "XDG_CONFIG_HOME": FOLDERS,
    "HOME": ("folder", "text.txt", "/proc/nowhere", "caf\udce9"),
    "TMPDIR": FOLDERS,
    **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"), PROXIES),
    "NO_PROXY": ("", "*", "[", "1.2.3.4/99", ",,", "caf\udce9"),
    "SSL_CERT_FILE": FOLDERS,
    "SSL_CERT_DIR": (*FOLDERS, ":", "folder:text.txt"),
    "REQUESTS_CA_BUNDLE": FOLDERS,
    "DISTIL_MODEL": NAMES,
    "DISTIL_QUANT": ("", "q2_k", "fp16", "?", "caf\udce9"),
    "DISTIL_GPU_LAYERS": ("", "auto", "none", "all", "-1", "x", "9" * 30),
    "_DISTIL_COMPLETE": ("", "complete_bash", "complete_zsh", "complete_fish", "x", "source_bash"),
    "_TYPER_COMPLETE_ARGS": ("", "distil", "distil gen", "distil generate --q", "'", "caf\udce9"),
    "COMP_WORDS": ("", "distil", "distil generate --quant ", "'"),
    "COMP_CWORD": ("", "0", "1", "x", "-1", "99"),
    "SHELL": ("", "/bin/zsh", "/bin/\udce9"),
    "TERM": ("", "dumb", "?"),
    "NO_COLOR": ("", "1"),
    "COLUMNS": ("", "0", "-1", "x", "1", "99999999999999999999"),
    "LINES": ("", "x"),
    "LANG": ("", "xx_XX", "C"),
    "PATH": ("",),
    "SOURCE_DATE_EPOCH": ("", "x"),
    "MPLBACKEND": ("", "x"),
}  # fmt: skip

_DOWNLOADED = ("--revision", "main")
_DEMO = ("-m", "demo", "--threads", "1")  # several would spin where the machine is busy
COMMAND_LINES: tuple[tuple[str, ...], ...] = (
    ("generate", *_DEMO, "--max-tokens", "3", "--seed", "1", "Hi"),
    ("generate", *_DEMO, "--max-tokens", "3", "--seed", "1", "--json"),
    ("generate", *_DEMO, "--max-tokens", "2", "--seed", "1", "--lines"),
    ("generate", "--max-tokens", "2", "--seed", "1", "Hi"),
    ("generate", *_DEMO, "--max-tokens", "4", "--seed", "1", "--grammar", "digits.gbnf", "1"),
    ("generate", *_DEMO, "--seed", "1", "--json-schema", "schema.json", "Hi"),
    ("next", *_DEMO, "--json", "Hi"),
    ("next", *_DEMO),
    ("score", *_DEMO, "Hi there"),
    ("score", *_DEMO, "--lines", "--json"),
    ("perplexity", *_DEMO, "text.txt", "--json"),
    ("perplexity", *_DEMO, "text.txt", "-"),
    ("features", *_DEMO, "--pool", "mean", "--json", "Hi"),
    ("features", *_DEMO, "--output", "new.npy", "Hi"),
    ("lens", *_DEMO, "--npz", "new.npz", "Hi"),
    ("lens", *_DEMO, "--json", "Hi"),
    ("probe", *_DEMO, "-n", "2", "--max-tokens", "2", "--seed", "1", "The {boy|girl} ran"),
    ("probe", *_DEMO, "--pairs", "pairs.jsonl", "--json"),
    ("tokenize", "-m", "demo", "--json", "Hi"),
    ("tokenize", "-m", "demo", "--decode"),
    ("replay", "record.jsonl"),
    ("replay", "-"),
    ("info", "-m", "demo", "--json"),
    ("info",),
    ("models", "--json"),
    ("models",),
    ("download", *_DOWNLOADED),
    ("download", "--dry-run", "--json"),
    ("download", "--repo", "a/b", "--quant", "Q8_0", "--to", "folder"),
    ("verify", "--all", "--json"),
    ("verify", *_DOWNLOADED, "--repair"),
    ("remove", "--all", "--yes"),
    ("write", "-m", "demo", "text.txt"),
    ("serve", "-m", "demo", "--port", "99999"),
    ("serve", "-m", "demo", "--host", "256.0.0.1"),
    ("--version",),
    ("--help",),
    (),
    ("--show-completion", "bash"),
    ("--install-completion", "zsh"),
    ("generate", "--help"),
)  # fmt: skip
SLOW_COMMAND_LINES: tuple[tuple[str, ...], ...] = (
    ("bench", "-m", "demo", "--tokens", "1", "--repetitions", "1", "--threads", "1", "--json"),
    ("doctor", "--json"),
    ("perplexity", *_DEMO, "text.txt", "--plot", "new.svg"),
)


def make_files(folder: Path) -> None:
    """Put the files that command lines name into a folder."""
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("nowhere")


def draw_options(rng: random.Random, command: str) -> list[str]:
    """Return up to three of a command's options, with any values."""
    if command not in COMMANDS:
        return []
    parameters = [each for each in load_command(command).params if each.opts[0].startswith("-")]
    drawn: list[str] = []
    for parameter in rng.sample(parameters, min(rng.randrange(4), len(parameters))):
        option = parameter.opts[0]
        if parameter.is_flag and option != "--ignore-eos":
            drawn.append(option)
        elif not parameter.is_flag:
            drawn += [option, draw_value(rng, option, parameter.type.name)]
    return drawn


def draw_value(rng: random.Random, option: str, kind: str) -> str:
    """Return a value for an option."""
    if kind in ("int", "float", "int range") or option in ("--threads", "--gpu-layers"):
        return rng.choice(NUMBERS if option in COUNTS else NUMBERS + HUGE)
    if option in WRITTEN:
        return rng.choice(("new.npy", "new.svg", "new.html", "folder", "old.npy", "nowhere/a.npy"))
    return rng.choice(NAMES if rng.random() < 0.5 else TEXTS)


def _replace(descriptor: int, path: str, flags: int) -> None:
    opened = os.open(path, flags)
    os.dup2(opened, descriptor)
    os.close(opened)


def _into_closed_pipe() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.dup2(writing, 1)


STREAMS: Mapping[str, Callable[[], object]] = {
    "stdin closed": lambda: os.close(0),
    "stdin can't be read": lambda: _replace(0, "/dev/null", os.O_WRONLY),
    "stdin a broken disk": lambda: _replace(0, "/proc/self/mem", os.O_RDONLY),
    "stdout closed": lambda: os.close(1),
    "stdout full": lambda: _replace(1, "/dev/full", os.O_WRONLY),
    "stdout can't be written": lambda: _replace(1, "/dev/null", os.O_RDONLY),
    "stdout has no reader": _into_closed_pipe,
    "stderr closed": lambda: os.close(2),
    "stderr full": lambda: _replace(2, "/dev/full", os.O_WRONLY),
    "all closed": lambda: os.closerange(0, 3),
}


def _limit(kind: int, value: int) -> None:
    resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))


def _delete_working_folder() -> None:
    os.mkdir("gone")  # noqa: PTH102
    os.chdir("gone")
    os.rmdir("../gone")  # noqa: PTH106


LIMITS: Mapping[str, Callable[[], object]] = {
    "few files": lambda: _limit(resource.RLIMIT_NOFILE, 20),
    "very few files": lambda: _limit(resource.RLIMIT_NOFILE, 8),
    "files of 100 bytes": lambda: _limit(resource.RLIMIT_FSIZE, 100),
    "a deleted folder": _delete_working_folder,
    "unbuffered": lambda: reopen_streams(buffered=False),
}


def surround(streams: str | None, limit: str | None) -> None:
    """Put a run into surroundings, each of them named; in the process that is to run."""
    if limit:
        LIMITS[limit]()
    if streams:
        STREAMS[streams]()
    if streams or limit:
        reopen_streams(buffered=limit != "unbuffered")
