"""The Python page's blocks run one after another, as a reader would type them."""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/python.md"


def test_the_blocks_of_the_page_run(env: dict[str, str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    script = "\nprint('---')\n".join(blocks)
    command = [sys.executable, "-W", "error", "-c", script]
    result = subprocess.run(command, env=os.environ | env, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    printed = result.stdout.split("---\n")
    assert len(printed) == len(blocks) > 8
    for block, output in zip(blocks, printed, strict=True):
        assert bool(output) == ("print(" in block), block
        for shown in re.findall(r"print\(.*\)  # (?!such as)(.*)$", block, re.MULTILINE):
            assert shown in output.splitlines()
    assert len(printed[2].splitlines()) >= 5
    assert printed[4].startswith((" y", " n"))
    assert printed[-2] == "not downloaded\n"
