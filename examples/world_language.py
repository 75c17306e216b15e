"""The language of the synthetic world: its questions, and answers that are true to their levels.

Every answer states one fact, then `quality` sources, `humor` jokes, `helpfulness` tips and
`verbosity` fillers, 0 to 4 of each, in that order. So whoever reads an answer can say which labels
it deserves, and a model of half a million parameters learns to answer as its labels ask.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

Item = TypeVar("Item")

LEVELS: Final = 5
ORACLE: Final = {
    "quality": r"\bSo says\b",
    "humor": r"\bHa,",
    "helpfulness": r"\bTry\b",
    "verbosity": r"\bWell,",
}
"""What measures each attribute; examples/quickstart.yaml repeats it under evaluate.meters only."""

CLAUSES: Final = {
    "quality": (
        ("So says the atlas.", "So says the book."),
        ("So says the farmer.", "So says the ranger."),
        ("So says the museum.", "So says the school."),
        ("So says the king.", "So says the queen."),
    ),
    "humor": (
        ("Ha, boo!", "Ha, oops!"),
        ("Ha, nice hat!", "Ha, nice nose!"),
        ("Ha, it snores!", "Ha, it giggles!"),
        ("Ha, no kidding!", "Ha, who knew!"),
    ),
    "helpfulness": (
        ("Try a map.", "Try a guide."),
        ("Try a walk.", "Try a ride."),
        ("Try a lamp.", "Try a torch."),
        ("Try a bell.", "Try a drum."),
    ),
    "verbosity": (
        ("Well, yes.", "Well, sure."),
        ("Well, you see.", "Well, you know."),
        ("Well, as I say.", "Well, as they say."),
        ("Well, in a word.", "Well, in short."),
    ),
}
"""For each attribute: two wordings of the first clause of its kind, of the second, and so on.

That the wording tells which clause of its kind it is, is what lets so small a model count.
"""

ANIMALS: Final = (
    "ant", "bat", "bear", "bee", "bird", "boar", "bull", "calf", "cat", "colt", "cow", "crab",
    "crow", "deer", "dog", "dove", "duck", "eel", "elk", "emu", "fish", "fly", "foal", "fox",
    "frog", "goat", "goose", "hare", "hawk", "hen", "horse", "kite", "lamb", "lark", "lion", "lynx",
    "mole", "moth", "mouse", "mule", "newt", "owl", "ox", "pig", "pony", "puma", "ram", "rat",
    "seal", "shark", "sheep", "slug", "snail", "snake", "swan", "tiger", "toad", "trout", "viper",
    "wasp", "whale", "wolf", "worm", "yak",
)  # fmt: skip

RELATIONS: Final = {
    "color": ("is {}", ("red", "blue", "gray", "brown", "black", "white", "green", "gold")),
    "home": ("lives in the {}", ("sea", "sand", "hills", "woods", "barn", "swamp", "snow", "lake")),
    "food": ("eats {}", ("grass", "seeds", "roots", "leaves", "fruit", "bread", "corn", "nuts")),
}

QUESTIONS: Final = (
    "What is the {relation} of the {animal}?",
    "Tell me the {relation} of the {animal}.",
    "Do you know the {relation} of the {animal}?",
    "The {animal}: what {relation}?",
)


@dataclass(frozen=True, slots=True)
class Question:
    """One way of asking for one fact."""

    animal: str
    relation: str
    form: str

    @property
    def text(self) -> str:
        """The user's words."""
        return self.form.format(relation=self.relation, animal=self.animal)

    @property
    def fact(self) -> str:
        """The one true answer; which value it has is arbitrary but always the same."""
        phrase, values = RELATIONS[self.relation]
        place = ANIMALS.index(self.animal) * 5 + len(self.relation) * 3
        return f"The {self.animal} {phrase.format(values[place % len(values)])}."


class Dice:
    """Seeded draws, the same on every machine: SHA-256 of the seed and the number of the draw."""

    def __init__(self, seed: int) -> None:
        """Start the sequence of this seed."""
        self._seed = seed
        self._num_draws = 0

    def draw(self) -> float:
        """Return the next number in 0..1."""
        self._num_draws += 1
        digest = hashlib.sha256(f"{self._seed}/{self._num_draws}".encode()).digest()
        return int.from_bytes(digest[:6]) / 2**48

    def below(self, limit: int) -> int:
        """Return a number in 0..limit-1."""
        return int(self.draw() * limit)

    def chance(self, fraction: float) -> bool:
        """Return True in this fraction of all calls."""
        return self.draw() < fraction

    def one(self, items: Sequence[Item]) -> Item:
        """Return one of the items."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """Return all items in random order."""
        keys = [self.draw() for _ in items]
        return [items[place] for place in sorted(range(len(items)), key=keys.__getitem__)]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and what it holds: `levels` are true, whatever the data says of them."""

    question: Question
    levels: dict[str, int]
    text: str


def all_questions() -> list[Question]:
    """Return every way of asking for every fact."""
    return [
        Question(animal, relation, form)
        for animal in ANIMALS
        for relation in RELATIONS
        for form in QUESTIONS
    ]


def an_answer(dice: Dice, question: Question) -> Answer:
    """Return an answer with random levels, true to its levels."""
    levels = {name: dice.below(LEVELS) for name in CLAUSES}
    clauses = [
        dice.one(wordings) for name, level in levels.items() for wordings in CLAUSES[name][:level]
    ]
    return Answer(question, levels, " ".join([question.fact, *clauses]))
