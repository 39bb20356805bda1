"""The model that comes with the package, for machines that have not reached the Hub."""

from pathlib import Path

from .reference import ModelFile

DEMO = "demo"


def demo() -> ModelFile:
    """Return the file of the bundled model; ``docs/demo-model.md`` says what it is."""
    from importlib import resources

    path = Path(str(resources.files("distilgpt2_cli") / "data" / "demo.gguf"))
    return ModelFile(path, DEMO, path.stat().st_size)
