"""Texts read and written byte for byte, and files that are complete at any moment."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from distilgpt2_cli.editor.text_file import TextFile
from distilgpt2_cli.editor.whole_file import write_whole
from distilgpt2_cli.errors import DistilError
from tests.support.disks import small_disk

CRASH_BEFORE_RENAME = """if True:
    import os, signal, sys
    from pathlib import Path
    from distilgpt2_cli.editor.text_file import TextFile

    os.replace = os.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    TextFile(Path(sys.argv[1])).write("new")
    print("not reached")
"""
SAVE_FOR_EVER = """if True:
    import sys
    from pathlib import Path
    from distilgpt2_cli.editor.text_file import TextFile

    file = TextFile(Path(sys.argv[1]))
    print(flush=True)
    for number in range(10**9):
        file.write(f"{number % 10}" * 300_000)
"""


@pytest.fixture(autouse=True)
def _other_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "text"


@given(st.text(st.sampled_from("ab\r\n\té\ufeff\u2028\x00")))
@example("a\r\nb\r\n")
@example("a\r\nb\n")
@example("a\rb\r\n")
@settings(max_examples=300)
def test_what_was_not_edited_is_written_as_it_was(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
    file = TextFile(path)
    file.write(file.text)
    assert path.read_bytes() == text.encode()


def test_line_ends_that_are_all_alike_stay_so(path: Path) -> None:
    path.write_bytes(b"a\r\nb\r\n")
    file = TextFile(path)
    assert file.text == "a\nb\n"
    file.write("a\nb\nc\r\n")
    assert path.read_bytes() == b"a\r\nb\r\nc\r\n"


def test_permissions_and_links_stay(path: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target = tmp_path / "folder" / "target"
    target.write_text("old")
    target.chmod(0o640)
    path.symlink_to("folder/target")
    TextFile(path).write("new")
    assert path.is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert [entry.name for entry in target.parent.iterdir()] == ["target"]


def test_a_new_file_has_the_usual_permissions(path: Path) -> None:
    old = os.umask(0o027)
    try:
        TextFile(path).write("text")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_to_nothing_is_a_new_file_there(path: Path, tmp_path: Path) -> None:
    path.symlink_to("later")
    file = TextFile(path)
    assert file.is_new
    file.write("text")
    assert path.is_symlink()
    assert (tmp_path / "later").read_text() == "text"


def test_a_crash_between_write_and_rename_leaves_the_old_file(path: Path) -> None:
    path.write_text("old")
    result = subprocess.run([sys.executable, "-c", CRASH_BEFORE_RENAME, path], capture_output=True)
    assert (result.returncode, result.stdout) == (-signal.SIGKILL, b"")
    assert path.read_text() == "old"
    (left,) = (entry for entry in path.parent.iterdir() if entry != path)
    assert left.read_text() == "new"
    TextFile(path).write("newer")
    assert path.read_text() == "newer"


def test_a_crash_at_any_moment_leaves_a_whole_file(path: Path) -> None:
    whole = {f"{digit}" * 300_000 for digit in range(10)}
    for moment in range(12):
        path.write_text("0" * 300_000)
        with subprocess.Popen(
            [sys.executable, "-c", SAVE_FOR_EVER, path], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(0.003 * moment)
            child.kill()
        assert path.read_text() in whole


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path: Path) -> None:
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        TextFile(path).write("\ud800")
    with pytest.raises(TypeError):
        write_whole(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_reported(path: Path) -> None:
    """The largest size of a file stands for a disk without space."""
    script = """if True:
        import resource, signal, sys
        from pathlib import Path
        from distilgpt2_cli.editor.text_file import TextFile
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            TextFile(Path(sys.argv[1])).write("x" * 5000)
        except Exception as error:
            print(error)
    """
    path.write_text("old")
    result = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True)
    assert result.stdout.endswith(
        "can't be written: File too large. Save it under another name with Ctrl-O.\n"
    )
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_change_by_another_program_is_seen(path: Path) -> None:
    file = TextFile(path)
    assert not file.changed_on_disk()
    path.write_text("theirs")
    assert file.changed_on_disk()
    file = TextFile(path)
    assert not file.changed_on_disk()
    file.write("ours")
    assert not file.changed_on_disk()
    path.write_text("mine")  # of the same size, perhaps within the same tick of the clock
    assert file.changed_on_disk()
    path.unlink()
    assert not file.changed_on_disk()
    assert not file.at(path).changed_on_disk()
    path.write_text("ours")
    assert file.at(path).changed_on_disk()


def test_what_can_not_be_edited(path: Path, tmp_path: Path) -> None:
    path.write_bytes("é".encode() * 3 + b"\xe9")
    for bad, words in (
        (path, r"offset 6 \(0xe9\)"),
        (tmp_path, "is not a text file"),
        (tmp_path / "nowhere" / "text", "does not exist"),
        (path / "text", "Not a directory"),
    ):
        with pytest.raises(DistilError, match=words):
            TextFile(bad)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DistilError, match="is not a text file"):
        TextFile(tmp_path / "pipe")


def test_a_text_is_kept_under_a_name_of_its_own(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(b"a\r\n")
    file = TextFile(path)
    assert file.keep("one\n") == path.with_name("text.recovered")
    assert file.keep("two\n") == path.with_name("text.recovered-2")
    assert [kept.read_bytes() for kept in file.kept()] == [b"one\r\n", b"two\r\n"]
    assert stat.S_IMODE(file.kept()[0].stat().st_mode) == 0o600
    monkeypatch.chdir(tmp_path)
    assert TextFile(None).keep("three") == Path("distil-write.txt.recovered")


def test_a_text_is_kept_elsewhere_if_need_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    gone = tmp_path / "gone"
    gone.mkdir()
    file = TextFile(gone / "text")
    gone.rmdir()
    assert file.keep("text") == tmp_path / "text.recovered"


@pytest.mark.parametrize("name", ["n" * 245, "n" * 255, "é" * 127 + "n"])
def test_a_text_is_kept_whatever_the_length_of_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("old")
    (tmp_path / f"{name[:-1]}x").write_text("of nearly the same name")
    file, other = TextFile(tmp_path / name), TextFile(tmp_path / f"{name[:-1]}x")
    kept = [file.keep(f"text {number}") for number in range(3)]
    assert file.kept() == kept
    assert [each.read_text() for each in kept] == ["text 0", "text 1", "text 2"]
    assert {each.parent for each in kept} == {tmp_path}
    assert other.kept() == []


def test_the_newest_text_that_was_kept_comes_last(path: Path) -> None:
    file = TextFile(path)
    kept = [file.keep(f"text {number}") for number in range(12)]
    assert file.kept() == kept
    kept[0].unlink()
    kept[5].unlink()
    assert file.keep("the newest") == file.kept()[-1]


def test_a_copy_that_is_cut_off_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with small_disk(tmp_path / "disk", "64k") as disk:
        file = TextFile(disk / "text")
        kept = file.keep("x" * 100_000)
        assert kept == tmp_path / "text.recovered"
        assert kept.stat().st_size == 100_000
        assert list(disk.iterdir()) == []
        assert TextFile(disk / "text").kept() == [kept]


def test_a_file_that_is_marked_read_only_is_not_replaced(path: Path) -> None:
    """Not even by root, whom the system would let."""
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(DistilError, match="it is read-only"):
        TextFile(path).write("new")
    assert path.read_text() == "old"
