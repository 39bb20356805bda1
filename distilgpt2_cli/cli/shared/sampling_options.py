"""The options of a completion on the command line."""

from typing import Annotated

import typer

Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        "-s",
        metavar="N",
        help="Seed of the first completion, 0 to 4294967294; the next ones count on.",
        show_default="drawn anew and shown",
    ),
]
NumSequences = Annotated[
    int, typer.Option("--num-sequences", "-n", metavar="N", help="Completions to generate.")
]
Parallel = Annotated[
    int,
    typer.Option(
        metavar="N", help="Completions under way at once: more in the same time, other texts."
    ),
]
MaxTokens = Annotated[
    int, typer.Option(metavar="N", help="Tokens to generate at most; -1 for no limit.")
]
Temperature = Annotated[
    float,
    typer.Option(
        "--temperature", "-t", metavar="X", help="Below 1 more likely text, above 1 less; 0 greedy."
    ),
]
TopK = Annotated[
    int, typer.Option(metavar="N", help="Sample from the N most likely tokens; 0 is off.")
]
TopP = Annotated[
    float,
    typer.Option(
        metavar="P", help="Sample from the likeliest tokens of total probability P; 1 is off."
    ),
]
MinP = Annotated[
    float,
    typer.Option(metavar="P", help="Leave out tokens under P times the likeliest one; 0 is off."),
]
RepetitionPenalty = Annotated[
    float,
    typer.Option(metavar="X", help="Above 1 makes tokens already in the text less likely."),
]
PresencePenalty = Annotated[
    float, typer.Option(metavar="X", help="Taken from the logit of tokens already in the text.")
]
FrequencyPenalty = Annotated[
    float, typer.Option(metavar="X", help="Taken from it for each time they occur in the text.")
]
Stop = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="End before this text; may be given several times."),
]
IgnoreEos = Annotated[bool, typer.Option("--ignore-eos", help="Go on past the end of text.")]
Logprobs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="In JSON, each token's log-probability, and those of the N likeliest ones.",
        show_default=False,
    ),
]
