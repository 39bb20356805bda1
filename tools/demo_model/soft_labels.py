"""Transfer of the teacher's next-token distributions to GPT-2's tokens.

Teacher and student have different vocabularies, but split simple English mostly at the same
places. Where a boundary between teacher tokens is also one between GPT-2 tokens, the teacher's
distribution over its next token, each mapped to the first GPT-2 token of its text, is the label;
elsewhere the label is the token itself. The idea is sequence-level distillation with word-level
targets where they can be had (Kim and Rush, 2016, https://aclanthology.org/D16-1139).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.demo_model.cleaning import collapse_whitespace
from tools.demo_model.vocabulary import END_OF_TEXT, Tokenizer

CANDIDATES = 16
# A label keeps at least this share of the teacher's distribution, or is the token itself.
MIN_KEPT_MASS = 0.5


@dataclass
class LabelledTokens:
    """GPT-2 tokens and for each the distribution it is drawn from.

    Attributes:
        tokens: ids [N].
        candidates: ids [N, CANDIDATES].
        probabilities: [N, CANDIDATES], each row sums to 1.
    """

    tokens: list[int]
    candidates: NDArray[np.uint16]
    probabilities: NDArray[np.float32]

    @classmethod
    def hard(cls, tokens: list[int]) -> LabelledTokens:
        """Label every token with itself."""
        candidates = np.zeros((len(tokens), CANDIDATES), dtype=np.uint16)
        candidates[:, 0] = tokens
        probabilities = np.zeros((len(tokens), CANDIDATES), dtype=np.float32)
        probabilities[:, 0] = 1.0
        return cls(tokens, candidates, probabilities)


class LabelTransfer:
    """Maps distributions over the teacher's tokens to distributions over GPT-2's tokens."""

    def __init__(self, teacher: Tokenizer, student: Tokenizer) -> None:
        """Map every token of ``teacher`` to one of ``student``."""
        self._student = student
        self._student_pieces = student.pieces()
        self._teacher_pieces = teacher.pieces()
        self._end = teacher.end_of_turn
        self._first_token = [self._map_piece(piece) for piece in self._teacher_pieces]
        self._first_token[self._end] = END_OF_TEXT

    def _map_piece(self, piece: bytes) -> int | None:
        # Line breaks are collapsed in the stories, so a piece with one has no counterpart.
        if not piece or b"\n" in piece or not piece.isascii():
            return None
        return self._student.encode(piece.decode("ascii"))[0]

    def text(self, tokens: list[int]) -> str:
        """Return the text of teacher tokens."""
        return b"".join(self._teacher_pieces[token] for token in tokens).decode("ascii")

    def label(
        self,
        story: str,
        opening: str,
        tokens: list[int],
        candidates: NDArray[np.uint16],
        probabilities: NDArray[np.float32],
    ) -> LabelledTokens:
        """Label the GPT-2 tokens of ``story`` and the <|endoftext|> after it.

        Args:
            story: cleaned text, a prefix of the collapsed ``opening`` + text of ``tokens``.
            opening: the part of the text that the teacher was given.
            tokens: the teacher's tokens [T], with its end token last if it ended the text.
            candidates: teacher ids [T, K] for the position of each token.
            probabilities: [T, K].
        """
        labelled = LabelledTokens.hard([*self._student.encode(story), END_OF_TEXT])
        index_at: dict[int, int] = {}
        position = 0
        for index, token in enumerate(labelled.tokens):
            index_at[position] = index
            position += len(self._student_pieces[token])
        text = opening
        for step, token in enumerate(tokens):
            index_or_none = None
            if not text[-1].isspace():
                index_or_none = index_at.get(len(collapse_whitespace(text)))
            if index_or_none is not None:
                index = index_or_none
                merged = self._merge(candidates[step], probabilities[step])
                kept = sum(merged.values())
                if labelled.tokens[index] in merged and kept >= MIN_KEPT_MASS:
                    labelled.candidates[index] = 0
                    labelled.probabilities[index] = 0.0
                    labelled.candidates[index, : len(merged)] = list(merged)
                    labelled.probabilities[index, : len(merged)] = [
                        p / kept for p in merged.values()
                    ]
            text += self._teacher_pieces[token].decode("ascii")
        return labelled

    def _merge(
        self, candidates: NDArray[np.uint16], probabilities: NDArray[np.float32]
    ) -> dict[int, float]:
        merged: dict[int, float] = {}
        for candidate, probability in zip(candidates.tolist(), probabilities.tolist(), strict=True):
            student_token = self._first_token[candidate]
            if probability > 0.0 and student_token is not None:
                merged[student_token] = merged.get(student_token, 0.0) + probability
        return merged
