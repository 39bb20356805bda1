"""Downloads killed at moments drawn at random: nothing half is ever taken as whole.

python -m tests.fuzz.killed_downloads [COUNT [SEED]]
"""

import random
import sys
import tempfile
import time
from pathlib import Path

from distilgpt2_cli.models.catalog import REPOSITORY
from tests.support.hub import Fault, serving
from tests.support.run import run, started
from tests.support.stock import CONTENT, MAIN, NAME, files_below, stock


def kill(count: int, seed: int) -> list[str]:
    """Kill so many downloads; return what went wrong."""
    moments = random.Random(seed)
    wrong: list[str] = []
    landed = 0
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "home") as hub:
        stock(hub)
        path = hub.snapshot(REPOSITORY) / NAME
        for i in range(count):
            hub.fail(Fault(stall_at=moments.randrange(len(CONTENT)), stall_seconds=0.2))
            force = ("--force",) if i % 2 else ()
            moment = moments.uniform(0.05, 1.0)
            with started(*MAIN, *force, env=hub.environment()) as process:
                time.sleep(moment)
                process.kill()
            hub.recover()
            taken = run("verify", "--revision", "main", "--quiet", env=hub.environment())
            landed += taken.returncode == 0
            if taken.returncode not in (0, 3) or b"Traceback" in taken.stderr:
                wrong.append(f"killed after {moment:.3f} s: {taken.stderr!r}")
            if taken.returncode == 0 and path.read_bytes() != CONTENT:
                wrong.append(f"killed after {moment:.3f} s: a damaged file is taken as whole")
        if run(*MAIN, "--force", env=hub.environment()).returncode != 0:
            wrong.append("the next good run failed")
        left = sum(f.stat().st_size for f in files_below(hub.cache) if not f.is_symlink())
        if left > len(CONTENT):
            wrong.append(f"{left - len(CONTENT)} bytes are left over")
    print(f"killed downloads: {count}, after {landed} of them a whole file; {len(wrong)} bad")
    return wrong


def main() -> None:
    """Print the counts and what went wrong; fail if anything did."""
    given = [int(argument) for argument in sys.argv[1:]]
    wrong = kill(*(given + [50, 0][len(given) :]))
    for line in wrong:
        print(line)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
