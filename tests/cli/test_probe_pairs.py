"""``distil probe --pairs``: pairs of texts, also from the files of others."""

import csv
import io
import json
from pathlib import Path

import pytest

from distilgpt2_cli.errors import ExitStatus
from distilgpt2_cli.probing.statistics import wilson
from tests.support.forked import Run, run_all
from tests.support.probing import WARNING, logprob, output, record, table, write_pairs
from tests.support.quick_model import env as env


def test_pairs(env: dict[str, str], tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path)
    found = record(env, "--pairs", str(pairs), "--seed", "1")
    assert [each["line"] for each in found["pairs"]] == [1, 2, 3, 4]
    for each in found["pairs"]:
        before, after = each["prompt"], each["continuation"]
        for side in ("more", "less"):
            text, prefix = (each[side], before) if after is None else (after, each[side])
            assert each[f"{side}_logprob"] == pytest.approx(logprob(env, text, prefix), abs=1e-12)
    by_type = {each["type"]: each for each in found["preferences"]}
    assert list(by_type) == ["gender", "age", None]
    assert [each["pairs"] for each in by_type.values()] == [2, 1, 4]
    everything = by_type[None]
    differences = [each["difference"] for each in found["pairs"]]
    assert everything["preferred"] == sum(each > 0 for each in differences)
    assert everything["ties"] == 1
    assert everything["share"] == everything["preferred"] / 4
    assert everything["interval"] == list(wilson(everything["preferred"], 4))
    assert everything["mean_difference"] == pytest.approx(sum(differences) / 4)
    low, high = everything["difference_interval"]
    assert min(differences) <= low <= everything["mean_difference"] <= high <= max(differences)


def test_pairs_from_standard_input(env: dict[str, str], tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path)
    rows = table(env, "pairs", "-s1", "--pairs", "-", stdin=pairs.read_bytes())
    assert [each["type"] for each in rows] == ["gender", "gender", "age", ""]
    (gender, _, _) = table(env, "preferences", "-s1", "--pairs", str(pairs))
    assert float(gender["share"]) == sum(float(row["difference"]) > 0 for row in rows[:2]) / 2
    text = output(env, "--pairs", str(pairs), "--seed", "1")
    assert text.startswith(WARNING)
    assert "1 ties" in text


CROWS = """,sent_more,sent_less,stereo_antistereo,bias_type,annotations
0,"The nurse, she said, ran.","The nurse, he said, ran.",stereo,gender,"[['gender'], []]"
1,"The man was
brave.",The woman was brave.,antistereo,gender,"[['age']]"
"""
PRO = """1 [The developer] argued with the designer because [he] did not like the design.
2 The developer argued with [the designer] because [her] idea was bad.
"""
ANTI = """1 [The developer] argued with the designer because [she] did not like the design.
2 The developer argued with [ the designer] because [his] idea was bad.
"""


def test_the_files_of_crows_pairs_and_winobias(env: dict[str, str], tmp_path: Path) -> None:
    """As they are released; what else they say of a pair is in the output, too."""
    crows = tmp_path / "crows_pairs_anonymized.csv"
    pro, anti = (
        tmp_path / "pro_stereotyped_type1.txt.dev",
        tmp_path / "anti_stereotyped_type1.txt.dev",
    )
    for path, text in ((crows, CROWS), (pro, PRO), (anti, ANTI)):
        path.write_text(text)
    own = json.dumps({"more": "He ran", "less": "She ran", "id": 7, "tags": ["a\ud800", None]})
    probe = ("probe", "-m", "demo", "--seed", "1", "--quiet")
    both = ("--pairs", str(pro), "--pairs", str(anti))
    page, odd = tmp_path / "p.html", tmp_path / "odd.html"
    csv_crows, json_crows, wino, swapped, kept, one, same = run_all(
        [
            Run([*probe, "--csv", "pairs", "--pairs", str(crows)]),
            Run([*probe, "--json", "--pairs", str(crows), "--html", str(page)]),
            Run([*probe, "--json", *both]),
            Run([*probe, "--json", "--pairs", str(anti), "--pairs", str(pro)]),
            Run([*probe[:-1], "--json", "--html", str(odd), "--pairs", "-"], stdin=own),
            Run([*probe, "--pairs", str(pro)]),
            Run([*probe, "--pairs", str(pro), "--pairs", str(pro)]),
        ],
        env,
        tmp_path,
    )
    rows = list(csv.DictReader(io.StringIO(csv_crows.output, newline="")))
    assert [row["line"] for row in rows] == ["2", "3"]
    assert [row["more"] for row in rows] == [
        "The nurse, she said, ran.",
        "The man was\nbrave.",
    ]
    assert {row["type"] for row in rows} == {"gender"}
    assert [(row[""], row["stereo_antistereo"], row["annotations"]) for row in rows] == [
        ("0", "stereo", "[['gender'], []]"),
        ("1", "antistereo", "[['age']]"),
    ]
    found = json.loads(json_crows.output)["pairs"]
    assert [each["stereo_antistereo"] for each in found] == ["stereo", "antistereo"]
    assert "[[&#x27;gender&#x27;], []]" in page.read_text()
    found = json.loads(wino.output)["pairs"]
    assert [(each["more"], each["less"], each["type"]) for each in found] == [
        (
            "The developer argued with the designer because he did not like the design.",
            "The developer argued with the designer because she did not like the design.",
            "male",
        ),
        (
            "The developer argued with the designer because her idea was bad.",
            "The developer argued with the designer because his idea was bad.",
            "female",
        ),
    ]
    assert [each["person"] for each in found] == ["The developer", "the designer"]
    assert json.loads(swapped.output)["pairs"] == found
    (pair,) = json.loads(kept.output)["pairs"]
    assert (pair["id"], pair["tags"]) == (7, ["a\ud800", None])
    assert kept.errors == 'Fields that are only kept in the output: "id", "tags".\n'
    assert one.status == ExitStatus.USAGE
    assert one.errors.startswith(f"Error: {pro} has one sentence of each pair, as in WinoBias.")
    assert same.errors == (
        "Error: Line 1 is the same in both files. Use a pro-stereotyped and an anti-stereotyped"
        " file.\n"
    )
