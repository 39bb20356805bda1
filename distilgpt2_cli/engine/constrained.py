"""Texts that follow a grammar: the next token, chosen among those that llama.cpp's grammar allows.

What is drawn from is the model's distribution over the allowed tokens: the grammar comes before
top-k, top-p and min-p, so that these never leave nothing. To ask llama.cpp about every token of
the vocabulary takes longer than the model itself, so it is asked about fewer in three ways, none of
which changes what is drawn:

- first about the tokens of a single byte: one that is not allowed rules out all that begin with it,
  and where only a few are, it is asked in the same way about the byte after each;
- with top-k, about the likeliest tokens first, until so many are allowed;
- of the tokens that are no whole characters, those that can't go on a text in UTF-8 are left out
  here, because llama.cpp takes some bytes for characters that no decoder does.
"""

import codecs
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DistilError, UsageError
from .bans import Bans
from .candidates import TOKEN_DATA, apply, choose, logits_of
from .grammar.gbnf import Ranges, contains
from .grammar.rules import Grammar, understand
from .llama.bindings import lib
from .llama.context import Context
from .llama.model import Model
from .observation import observe
from .options import GenerationOptions
from .records import Draw
from .sampling import Sampler, adjuster_and_chooser, free

_FIRST_PART = 256  # tokens that the grammar is asked about at least
_ALONE = b"/alone"  # after a byte, for the token of just this byte
_MANY_TOKENS, _FEW_BYTES = 2048, 16  # with these, a look at the second byte is worth its time


class Constraint:
    """A grammar with what is known of a model's vocabulary, for any number of texts.

    Attributes:
        model: whose vocabulary it is.
        text: the grammar in GBNF.
        grammar: the same, read.
        single: the token of each byte that has one of its own.
        unknown: bytes that tokens begin with, but that have no token of their own.
        ends: the tokens that end a text.
    """

    def __init__(self, model: Model, grammar: str) -> None:
        """Take a grammar in GBNF.

        Raises:
            UsageError: it can't be used, or not with this vocabulary.
        """
        self.model = model
        self.text = grammar
        self.grammar: Grammar = understand(grammar)
        pieces = [model.piece(token) for token in range(model.vocabulary_size)]
        tokens: dict[bytes, list[int]] = {}
        self.single: dict[int, int] = {}
        self._odd: dict[int, bytes] = {}
        for token, piece in enumerate(pieces):
            # Others are control tokens: llama.cpp's grammar reads their names, which no text shows.
            if piece and not model.ends_text(token):
                if len(piece) == 1:
                    self.single[piece[0]] = token
                    tokens[piece + _ALONE] = [token]
                for prefix in {piece[:1], piece[:2]}:
                    tokens.setdefault(prefix, []).append(token)
                if not _is_text(piece):
                    self._odd[token] = piece
        self._tokens = {prefix: np.array(tokens[prefix], np.int32) for prefix in tokens}
        self.unknown = {prefix[0] for prefix in self._tokens} - self.single.keys()
        self.ends = np.array(model.end_tokens, np.int32)
        self._cut: dict[bytes, NDArray[np.int32]] = {}
        self._together: dict[frozenset[bytes], NDArray[np.int32]] = {}
        self._check_terminals(pieces)

    @cached_property
    def probe(self) -> NDArray[np.int32]:
        """The tokens of a single byte, and then those that end a text."""
        return np.array([*self.single.values(), *self.ends], np.int32)

    def beginning_with(self, prefixes: frozenset[bytes]) -> NDArray[np.int32]:
        """Return the tokens that begin with one or two of these bytes, lowest number first."""
        tokens = self._together.get(prefixes)
        if tokens is None:
            nothing = np.array([], np.int32)
            parts = [self._tokens.get(prefix, nothing) for prefix in prefixes]
            tokens = np.unique(np.concatenate([nothing, *parts]))
            if len(self._together) < _MANY_TOKENS:
                self._together[prefixes] = tokens
        return tokens

    def no_text_after(self, pending: bytes) -> NDArray[np.int32]:
        """Return the tokens that give no UTF-8 after the beginning of a character, or after b""."""
        tokens = self._cut.get(pending)
        if tokens is None:
            wrong = [t for t, piece in self._odd.items() if not _is_beginning(pending + piece)]
            tokens = self._cut[pending] = np.array(wrong, np.int32)
        return tokens

    def _check_terminals(self, pieces: Sequence[bytes]) -> None:
        """Make sure that the vocabulary spells a character of every set in the grammar.

        Raises:
            UsageError: it does not.
        """
        if len(self.single) == 256:
            return
        firsts = {ord(text[0]) for text in map(_text, pieces) if text}
        for chars, line in self.grammar.terminals.items():
            if not _is_spelled(chars, self.single) and not any(contains(chars, c) for c in firsts):
                raise UsageError(
                    f"Line {line} of the grammar asks for characters that no token of the model"
                    " spells.",
                    "Allow others there, or use another model.",
                )


class ConstrainedText:
    """A text that follows a grammar: with which tokens it may go on, and whether it may end.

    Attributes:
        may_end: whether the text may end here.
        must_end: whether it must, because nothing may follow.
    """

    def __init__(self, constraint: Constraint) -> None:
        """Begin a text; `close` it.

        Raises:
            DistilError: llama.cpp refuses the grammar.
        """
        self._constraint = constraint
        self._grammar: Any = lib.llama_sampler_init_grammar(
            constraint.model.vocabulary, constraint.grammar.plain.encode(), b"root"
        )
        if not self._grammar:
            raise DistilError(
                "llama.cpp refuses the grammar.", "Report the grammar as a bug of distil."
            )
        self._pending = codecs.getincrementaldecoder("utf-8")()
        self._look()

    def accept(self, token: int) -> None:
        """Go on with a token that is allowed."""
        model = self._constraint.model
        if not model.ends_text(token):
            lib.llama_sampler_accept(self._grammar, token)
            self._pending.decode(model.piece(token))
            self._look()

    def close(self) -> None:
        """Free what llama.cpp holds."""
        free(self._grammar)

    def possible_tokens(self) -> NDArray[np.int32]:
        """Return tokens that may be allowed, every one that is among them."""
        tokens = self._constraint.beginning_with(self._prefixes)
        return np.concatenate([tokens, self._constraint.ends]) if self.may_end else tokens

    def allowed(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return those of some tokens that may come next."""
        apply(self._grammar, data)
        data = data[data["logit"] > -np.inf]
        pending, _ = self._pending.getstate()
        wrong = self._constraint.no_text_after(pending)
        return data[~np.isin(data["id"], wrong)]

    def _look(self) -> None:
        """Find out with which bytes the text may go on, and whether it may end."""
        known, self.may_end = self._allowed_bytes(self._grammar)
        unknown = self._constraint.unknown
        self.must_end = self.may_end and not known and not self._any_allowed(_prefixes(unknown))
        self._prefixes = _prefixes(known | unknown)
        count = len(self._constraint.beginning_with(self._prefixes))
        if not self.must_end and len(known) <= _FEW_BYTES and count > _MANY_TOKENS:
            self._prefixes = frozenset().union(_prefixes(unknown), *map(self._look_after, known))

    def _look_after(self, byte: int) -> set[bytes]:
        """Return a byte with each byte that may follow it, and with none."""
        grammar = lib.llama_sampler_clone(self._grammar)
        lib.llama_sampler_accept(grammar, self._constraint.single[byte])
        followers, _ = self._allowed_bytes(grammar)
        free(grammar)
        two = {bytes([byte, each]) for each in followers | self._constraint.unknown}
        return two | {bytes([byte]) + _ALONE}

    def _allowed_bytes(self, grammar: object) -> tuple[set[int], bool]:
        """Return the bytes that have a token and may come next, and whether the text may end."""
        probe, single = self._constraint.probe, self._constraint.single
        data = np.zeros(len(probe), TOKEN_DATA)
        data["id"] = probe
        apply(grammar, data)
        allowed = data["logit"] == 0
        known = {byte for byte, may in zip(single, allowed[: len(single)], strict=True) if may}
        return known, bool(allowed[len(single) :].any())

    def _any_allowed(self, prefixes: frozenset[bytes]) -> bool:
        tokens = self._constraint.beginning_with(prefixes)
        data = np.zeros(len(tokens), TOKEN_DATA)
        data["id"] = tokens
        return len(self.allowed(data)) > 0


def constrained_sampler(
    context: Context,
    prompt: Sequence[int],
    options: GenerationOptions,
    seed: int,
    constraint: Constraint,
    top: int | None,
    bans: Bans | None,
) -> Sampler:
    """Return a sampler whose text follows a grammar.

    Args:
        context: whose logits it draws from.
        prompt: what stands before the text.
        options: those of the completion.
        seed: what tokens are drawn with.
        constraint: the grammar.
        top: how many of the likeliest tokens an observation has; None to observe nothing.
        bans: the tokens that must not come next, if there are any.

    Raises:
        UsageError: the seed is out of range, or the model has no such token.
        DistilError: llama.cpp refuses the grammar.
    """
    model, greedy = context.model, options.temperature == 0
    adjuster, chooser = adjuster_and_chooser(model, prompt, options, seed)
    text = ConstrainedText(constraint)
    wanted = options.draws_likeliest or model.vocabulary_size

    def sample(row: int) -> Draw:
        logits = logits_of(context.pointer, row, model.vocabulary_size)
        banned = bans.tokens() if bans else ()
        candidates = likely_candidates(text, logits, adjuster, wanted, banned)
        left, token = choose(chooser, candidates, greedy=greedy)  # left may be in candidates
        observation = None if top is None else observe(logits, left, token, top)
        lib.llama_sampler_accept(adjuster, token)
        text.accept(token)
        if bans:
            bans.accept(token)
        return Draw(token, observation, text.may_end, text.must_end)

    def close() -> None:
        text.close()
        free(chooser, adjuster)

    return Sampler(sample, close)


def likely_candidates(
    text: ConstrainedText,
    logits: NDArray[np.float32],
    adjuster: object,
    wanted: int,
    banned: Sequence[int] | NDArray[np.int32] = (),
) -> NDArray[Any]:
    """Return tokens that a text may go on with: all, or at least the ``wanted`` likeliest ones.

    Args:
        text: what they would go on.
        logits: those of the model.
        adjuster: the sampler that changes single logits first.
        wanted: how many are drawn from.
        banned: tokens that must not come next, whatever the grammar says.

    Raises:
        DistilError: the grammar allows no token of the vocabulary.
    """
    tokens = text.possible_tokens()
    data = np.zeros(len(tokens), TOKEN_DATA)
    data["id"], data["logit"] = tokens, logits[tokens]
    apply(adjuster, data)
    data = data[(data["logit"] > -np.inf) & ~np.isin(data["id"], banned)]
    size = max(4 * wanted, _FIRST_PART)
    while size < len(data):
        likeliest = np.argpartition(-data["logit"], size)[:size]
        kept = text.allowed(data[likeliest])
        if len(kept) >= wanted:
            return kept
        size *= 16
    kept = text.allowed(data)
    if not len(kept):
        raise DistilError(
            "The grammar allows none of the model's tokens to follow.",
            "Allow other characters there, or use a model whose vocabulary has all bytes.",
        )
    return kept


def _prefixes(firsts: Iterable[int]) -> frozenset[bytes]:
    return frozenset(bytes([byte]) for byte in firsts)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_beginning(data: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return True


def _text(data: bytes) -> str:
    return data.decode(errors="ignore")


def _is_spelled(chars: Ranges, single: dict[int, int]) -> bool:
    """Tell whether tokens of single bytes spell a character of the set, given bytes from 0x80."""
    return any(
        any(byte in single for byte in range(chr(low).encode()[0], chr(high).encode()[0] + 1))
        for low, high in chars
    )
