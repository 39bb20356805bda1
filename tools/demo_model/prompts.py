"""Prompts that ask an instruction-tuned model for short stories in simple English."""

from __future__ import annotations

import random
from dataclasses import dataclass

GIRLS = ("Lily", "Mia", "Anna", "Sue", "Lucy", "Emma", "Rose", "Sara", "Amy", "Ella")
BOYS = ("Tom", "Ben", "Tim", "Max", "Sam", "Jack", "Leo", "Bob", "Dan", "Finn")
ANIMALS = (
    "bear", "bird", "bunny", "cat", "cow", "dog", "duck", "fish", "fox", "frog", "goat",
    "hen", "horse", "lion", "monkey", "mouse", "owl", "pig", "puppy", "sheep", "squirrel",
    "turtle",
)  # fmt: skip
TRAITS = (
    "big", "brave", "careful", "clever", "curious", "friendly", "funny", "gentle", "happy",
    "hungry", "kind", "lazy", "little", "lonely", "old", "proud", "quiet", "sad", "shy",
    "silly", "sleepy", "small",
)  # fmt: skip
THINGS = (
    "apple", "ball", "basket", "bed", "bell", "bike", "blanket", "boat", "book", "box",
    "bread", "bridge", "button", "cake", "candle", "car", "carrot", "chair", "cloud", "coat",
    "cookie", "cup", "doll", "door", "drum", "egg", "feather", "flower", "garden", "gift",
    "hat", "hill", "hole", "house", "key", "kite", "lamp", "leaf", "letter", "map", "moon",
    "nest", "picture", "pie", "pond", "puddle", "rain", "river", "rock", "rope", "shell",
    "shoe", "snow", "soup", "spoon", "star", "stick", "sun", "swing", "toy", "train", "tree",
    "wagon", "window",
)  # fmt: skip
PLACES = (
    "at home", "at school", "at the beach", "at the farm", "at the park", "by the lake",
    "by the river", "in a big forest", "in a small house", "in a small town", "in the garden",
    "in the kitchen", "in the snow", "on a hill", "in the yard", "at the shop",
)  # fmt: skip
TURNS = (
    "Somebody makes a new friend.",
    "Somebody is lost and finds the way home.",
    "Somebody is afraid and then brave.",
    "Somebody helps a friend.",
    "Somebody learns to share.",
    "Somebody says sorry.",
    "Somebody gets a nice surprise.",
    "Two friends talk.",
    "The story has a happy ending.",
    "The story ends at bedtime.",
)


@dataclass(frozen=True)
class StoryRequest:
    """One request for a story: the user's message and the first words of the answer."""

    message: str
    opening: str

    def to_chatml(self) -> str:
        """Return the request as ChatML, the format SmolLM2-Instruct was tuned on."""
        return f"<|im_start|>user\n{self.message}<|im_end|>\n<|im_start|>assistant\n{self.opening}"


def draw_request(rng: random.Random) -> StoryRequest:
    """Draw a hero, a thing, a place and a turn of the story, and how it opens."""
    trait = rng.choice(TRAITS)
    kind = rng.choice(("girl", "boy", rng.choice(ANIMALS)))
    name = rng.choice(GIRLS if kind == "girl" else BOYS if kind == "boy" else GIRLS + BOYS)
    article = "an" if trait[0] in "aeiou" else "a"
    hero = f"{article} {trait} {kind}"
    openings = (
        "Once upon a time,",
        f"Once upon a time, there was {hero} named {name}.",
        f"Once upon a time, there was {hero}",
        "Once upon a time",
        "One day,",
        f"One day, {name}",
        f"{name} was {hero}.",
        f"There was once {hero}",
        f"{name} the {kind}",
        f"The {trait} {kind}",
    )
    weights = (4, 4, 2, 2, 2, 2, 2, 1, 1, 1)
    message = (
        f"Write a short story for a small child about {hero} named {name} and a "
        f"{rng.choice(THINGS)} {rng.choice(PLACES)}. {rng.choice(TURNS)} "
        "Use short, simple sentences."
    )
    return StoryRequest(message, rng.choices(openings, weights)[0])
