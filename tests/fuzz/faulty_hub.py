"""A Hub that fails in ways drawn at random, several at once, against one cache.

python -m tests.fuzz.faulty_hub [COUNT [SEED]]
"""

import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import TimeoutExpired
from typing import NamedTuple

from distilgpt2_cli.models.catalog import REPOSITORY
from tests.fuzz.verdict import FALSE_FILE, OTHER_FAULT, Verdict, numbers
from tests.support.hub import Fault, Hub, serving
from tests.support.run import TIMEOUT, run
from tests.support.stock import CONTENT, MAIN, NAME, OTHER, OTHER_FILES, files_below, stock

TOKEN = "hf_a_secret_token"
STATUSES = (1, 3, 4)  # those that the documentation gives for a download that fails
SIZE = len(CONTENT)
CACHES = 4  # at a time, as most of it is waiting

REFUSALS = (400, 401, 402, 403, 404, 405, 407, 409, 410, 416, 418, 451)
BUSY = (408, 429, 500, 502, 503, 504)
CODES = (None, "GatedRepo", "RepoNotFound", "RevisionNotFound", "EntryNotFound", "\x1b]52;c;eA\x07")
ODD = (
    "", "0", "-1", "abc", "1e9", "9" * 30, "\x1b[31m", "../../x", "W/", '"', "a" * 5000,
    "http://[::1", "file:///etc/passwd", "//", "http://127.0.0.1:9/", "x:y", "\u00e9\u0085",
)  # fmt: skip
NAMES = (
    "ETag", "X-Linked-Etag", "X-Linked-Size", "X-Repo-Commit", "Content-Length", "Content-Range",
    "Content-Encoding", "Transfer-Encoding", "Location", "Link", "X-Xet-Hash", "X-HF-Warning",
    "X-Error-Message", "X-Error-Code", "Content-Type", "Content-Disposition",
)  # fmt: skip
LISTS = (b"", b"{", b"[]", b"null", b"3", b'{"siblings": 3}', b'{"siblings": [{}]}', b"\xff\xfe",
         b'{"id": "a/b", "siblings": [{"rfilename": "\\ud800.Q4_K.gguf"}]}',
         b'{"id": "a/b", "siblings": [{"rfilename": null}]}', b"[" * 100_000)  # fmt: skip


class Faults:
    """Draws what is to go wrong."""

    def __init__(self, seed: int) -> None:
        """Begin with a seed."""
        self.random = random.Random(seed)

    def draw(self) -> Fault:
        """Return a fault; those that take long befall one request only, and are rare."""
        kind = self.random.choices(
            (self._refusal, self._busy, self._body, self._header, self._redirect, self._hang_up,
             self._stall, self._list),
            (20, 8, 30, 25, 8, 6, 2, 8),
        )[0]  # fmt: skip
        return kind()

    def _method(self) -> str | None:
        return self.random.choice(("HEAD", "GET", None))

    def _times(self) -> int:
        return self.random.choice((1, 1, 1, 2, 2, 1000))

    def _refusal(self) -> Fault:
        message = {
            "X-Error-Message": self.random.choice(("Access denied", "\x1b[2Jgone", "x" * 999))
        }
        return Fault(
            target=self.random.choice(("file", "list")),
            method=self._method(),
            times=self._times(),
            status=self.random.choice(REFUSALS),
            error_code=self.random.choice(CODES),
            headers=message,
        )

    def _busy(self) -> Fault:
        pause = self.random.choice((None, "0", "1", "3600", "soon"))
        return Fault(
            method=self._method(),
            times=1,
            status=self.random.choice(BUSY),
            headers={"Retry-After": pause} if pause else {},
        )

    def _body(self) -> Fault:
        place = self.random.randrange(SIZE)
        other_size = {"Content-Length": str(self.random.randrange(2 * SIZE))}
        ways = (
            {"flip_at": place},
            {"cut_at": place},
            {"cut_at": place, "headers": {"Content-Length": str(place)}},
            {"extra": self.random.randbytes(self.random.choice((1, 1000, SIZE)))},
            {"headers": other_size},
            {"headers": other_size, "extra": bytes(SIZE)},
        )
        return Fault(times=self._times(), **self.random.choice(ways))

    def _header(self) -> Fault:
        headers = {self.random.choice(NAMES): self.random.choice(ODD) for _ in range(2)}
        return Fault(method=self._method(), times=self._times(), headers=headers)

    def _redirect(self) -> Fault:
        targets = (*ODD, "/", f"/{REPOSITORY}/resolve/main/{NAME}", "https://hub.invalid/x")
        return Fault(
            method=self._method(),
            times=self._times(),
            status=self.random.choice((301, 302, 303, 307, 308)),
            headers={"Location": self.random.choice(targets)},
        )

    def _hang_up(self) -> Fault:
        return Fault(method=self._method(), times=self._times(), hang_up=True)

    def _stall(self) -> Fault:
        return Fault(stall_at=self.random.randrange(SIZE), stall_seconds=2, times=1)

    def _list(self) -> Fault:
        return Fault(target="list", times=self._times(), body=self.random.choice(LISTS))


class Attempt:
    """One download while things go wrong, and one more when they are well again."""

    def __init__(self, hub: Hub, arguments: Sequence[str], paths: Mapping[Path, bytes]) -> None:
        """Take the files that may come of it."""
        self.hub = hub
        self.arguments = arguments
        self.paths = paths
        quick = {"HF_HUB_ETAG_TIMEOUT": "2", "HF_HUB_DOWNLOAD_TIMEOUT": "2"}
        self.environment = hub.environment(HF_TOKEN=TOKEN, **quick)

    def judge(self, faults: Sequence[Fault], verdict: Verdict) -> int:
        """Take note of what is not as it should be, and return the status of the faulty run."""
        about = str(faults)
        for fault in faults:
            self.hub.fail(fault)
        try:
            result = run(*self.arguments, env=self.environment)
        except TimeoutExpired:
            verdict.add(OTHER_FAULT, f"{about}: no end after {TIMEOUT} s")
            return 0
        finally:
            self.hub.recover()
        errors = result.stderr.decode(errors="replace")
        verdict.judge_end(result.returncode, errors, about)
        if TOKEN in errors or TOKEN.encode() in result.stdout:
            verdict.add(OTHER_FAULT, f"{about}: the token is shown: {errors!r}")
        if result.returncode not in (0, *STATUSES):
            verdict.add(OTHER_FAULT, f"{about}: status {result.returncode}: {errors!r}")
        if result.returncode and not errors.splitlines()[-1:][0].startswith("Error: "):
            verdict.add(OTHER_FAULT, f"{about}: the last line is no error: {errors!r}")
        self._judge_files(result.stdout, about, verdict)
        again = run(*self.arguments, env=self.hub.environment())
        if again.returncode != 0:
            verdict.add(OTHER_FAULT, f"{about}: the next good run failed: {again.stderr!r}")
        self._judge_files(again.stdout, about, verdict)
        return result.returncode

    def _judge_files(self, printed: bytes, about: str, verdict: Verdict) -> None:
        """Look at the files that were printed, or stand in the cache."""
        for path, content in self.paths.items():
            named = str(path).encode() in printed
            if (named or path.exists()) and path.read_bytes() != content:
                verdict.add(FALSE_FILE, f"{about}: {path.name}")
        left = sum(f.stat().st_size for f in files_below(self.hub.cache) if not f.is_symlink())
        if left - sum(map(len, self.paths.values())) > 1_000_000:
            verdict.add(OTHER_FAULT, f"{about}: {left} bytes are in the cache")


class Found(NamedTuple):
    """What came of the faults: their number, the statuses, the longest time, and what is wrong."""

    injected: int
    statuses: Counter[int]
    slowest: float
    verdict: Verdict


def inject(count: int, seed: int) -> Found:
    """Let so many faults happen to one cache."""
    faults = Faults(seed)
    statuses: Counter[int] = Counter()
    verdict = Verdict()
    injected, slowest = 0, 0.0
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "home") as hub:
        stock(hub)
        ours = {hub.snapshot(REPOSITORY) / NAME: CONTENT}
        other = {hub.snapshot(OTHER) / "a/m-Q4_K.gguf": OTHER_FILES["a/m-Q4_K.gguf"]}
        attempts = [
            Attempt(hub, (*MAIN, "--force"), ours | other),
            Attempt(hub, ("download", "--repo", OTHER, "-q", "Q4_K", "--force"), ours | other),
        ]
        while injected < count:
            attempt = faults.random.choices(attempts, (3, 1))[0]
            drawn = [faults.draw() for _ in range(faults.random.choice((1, 1, 2, 3)))]
            injected += len(drawn)
            start = time.monotonic()
            statuses[attempt.judge(drawn, verdict)] += 1
            slowest = max(slowest, time.monotonic() - start)
    return Found(injected, statuses, slowest, verdict)


def fuzz(count: int, seed: int) -> Verdict:
    """Let so many faults happen, to several caches at a time; return what went wrong."""
    parts = range(CACHES)
    with ThreadPoolExecutor(CACHES) as pool:
        found = list(pool.map(lambda i: inject(-(-count // CACHES), CACHES * seed + i), parts))
    statuses = sum((part.statuses for part in found), Counter())
    verdict = Verdict()
    for part in found:
        verdict.merge(part.verdict)
    table = ", ".join(f"status {status}: {number}" for status, number in statuses.most_common())
    print(
        f"faults injected: {sum(part.injected for part in found)} in"
        f" {statuses.total()} downloads ({table}),"
        f" slowest {max(part.slowest for part in found):.1f} s: {verdict}"
    )
    return verdict


def main() -> None:
    """Print the counts and what went wrong; fail if anything did."""
    fuzz(*numbers(300, 0)).end()


if __name__ == "__main__":
    main()
