"""Downloads killed at moments drawn at random: nothing half is ever taken as whole.

python -m tests.fuzz.killed_downloads [COUNT [SEED]]
"""

import random
import tempfile
import time
from pathlib import Path

from distilgpt2_cli.models.catalog import REPOSITORY
from tests.fuzz.verdict import FALSE_FILE, OTHER_FAULT, Verdict, numbers
from tests.support.hub import Fault, serving
from tests.support.run import run, started
from tests.support.stock import CONTENT, MAIN, NAME, files_below, stock


def kill(count: int, seed: int) -> Verdict:
    """Kill so many downloads; return what went wrong."""
    moments = random.Random(seed)
    verdict = Verdict()
    landed = 0
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "home") as hub:
        stock(hub)
        path = hub.snapshot(REPOSITORY) / NAME
        for i in range(count):
            hub.fail(Fault(stall_at=moments.randrange(len(CONTENT)), stall_seconds=0.2))
            force = ("--force",) if i % 2 else ()
            moment = moments.uniform(0.05, 1.0)
            with started(*MAIN, *force, env=hub.environment(), fresh=True) as process:
                time.sleep(moment)
                process.kill()
            hub.recover()
            taken = run("verify", "--revision", "main", "--quiet", env=hub.environment())
            landed += taken.returncode == 0
            about = f"killed after {moment:.3f} s"
            verdict.judge_end(taken.returncode, taken.stderr.decode(), about)
            if taken.returncode not in (0, 3):
                verdict.add(OTHER_FAULT, f"{about}: {taken.stderr!r}")
            if taken.returncode == 0 and path.read_bytes() != CONTENT:
                verdict.add(FALSE_FILE, about)
        if run(*MAIN, "--force", env=hub.environment()).returncode != 0:
            verdict.add(OTHER_FAULT, "the next good run failed")
        left = sum(f.stat().st_size for f in files_below(hub.cache) if not f.is_symlink())
        if left > len(CONTENT):
            verdict.add(OTHER_FAULT, f"{left - len(CONTENT)} bytes are left over")
    print(f"kills survived: {count}, after {landed} of them a whole file: {verdict}")
    return verdict


def main() -> None:
    """Print the counts and what went wrong; fail if anything did."""
    kill(*numbers(50, 0)).end()


if __name__ == "__main__":
    main()
