"""Batch runs killed at moments drawn at random: no result is ever twice, missing or another one.

python -m tests.fuzz.killed_batches [COUNT [SEED]]

COUNT is for each way to compute: with or without ``--parallel``, in one process or in several.
"""

import random
import signal
import tempfile
import time
from pathlib import Path

from tests.fuzz.verdict import FALSE_FILE, OTHER_FAULT, Verdict, numbers
from tests.support import gguf
from tests.support.batches import as_lines, many
from tests.support.run import environment, run, started

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
WAYS = (("1", "1"), ("1", "2"), ("4", "1"), ("4", "2"))


def kill(count: int, seed: int) -> Verdict:
    """Kill so many runs in each way, and begin anew whenever one has come to its end."""
    moments, verdict, ends = random.Random(seed), Verdict(), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, source = gguf.write(folder / "tiny.gguf"), folder / "in.jsonl"
        env = environment(folder / "home")
        source.write_bytes(as_lines(many(400)))
        for parallel, workers in WAYS:
            options = ("--threads", "1", "--parallel", parallel, "--workers", workers)
            base = ("batch", "-m", str(model), *options, str(source))
            expected = run(*base, env=env).stdout
            output = folder / f"{parallel}-{workers}.jsonl"
            for i in range(count):
                number = SIGNALS[i % len(SIGNALS)]
                # Before distil's first line, Python itself answers other signals by a traceback.
                moment = moments.uniform(0 if number == signal.SIGKILL else 0.3, 2)
                about = f"parallel {parallel}, workers {workers}, {number.name} at {moment:.3f} s"
                with started(
                    *base, "--output", str(output), "--resume", env=env, fresh=True
                ) as process:
                    time.sleep(moment)
                    process.send_signal(number)
                    _, errors = process.communicate()
                ended = process.returncode == 1
                verdict.judge_end(0 if process.returncode < 0 else process.returncode,
                                  errors.decode(), about)  # fmt: skip
                if process.returncode not in (-number, 128 + number, 1):
                    verdict.add(OTHER_FAULT, f"{about}: {errors!r}")
                written = output.read_bytes() if output.exists() else b""
                if not expected.startswith(written) or (ended and written != expected):
                    verdict.add(FALSE_FILE, f"{about}: {len(written)} bytes, {errors!r}")
                if ended:
                    ends += 1
                    output.unlink(missing_ok=True)
    print(f"kills of batches survived: {len(WAYS) * count}, {ends} files at their end: {verdict}")
    return verdict


if __name__ == "__main__":
    kill(*numbers(50, 0)).end()
