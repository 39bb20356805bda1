"""What the package says it has."""

import distilgpt2_cli.engine as engine


def test_every_public_name_is_there() -> None:
    for name in engine.__all__:
        assert getattr(engine, name) is not None
    assert "nothing" not in engine.__all__
