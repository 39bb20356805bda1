"""What JSON says of the model and the versions."""

from pathlib import Path

from distilgpt2_cli.cli.shared.record import model_record
from distilgpt2_cli.models import local


def test_a_model_file_is_hashed_once_a_run(tmp_path: Path) -> None:
    """And not for every line of output: hashing takes far longer than scoring a line."""
    path = tmp_path / "model.gguf"
    path.write_bytes(b"one")
    file = local(path)
    first = model_record(file)
    path.write_bytes(b"two")
    assert model_record(file) == first
