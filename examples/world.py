"""Data files of a synthetic world: answers whose attributes a regular expression counts.

The answers of examples/world_language.py come as OASST trees (quality, humor), HelpSteer rows
(helpfulness, verbosity), HH-RLHF pairs (no labels) and prompts. `python -m examples.world` writes
examples/data; equal seeds, equal text.
"""

import argparse
import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from examples.world_language import LEVELS, Answer, Dice, Question, all_questions, an_answer

Record = dict[str, Any]  # JSON of three foreign formats

SEED: Final = 8
NUM_TREES: Final = 500
NUM_HELPSTEER_PROMPTS: Final = 500
NUM_PAIRS: Final = 500
NUM_EVALUATION_PROMPTS: Final = 64


def world_files(seed: int = SEED, *, permute_labels: bool = False) -> dict[str, str]:
    """Return the text of each data file by its name."""
    dice = Dice(seed)
    questions = dice.shuffled(all_questions())
    held_out, questions = questions[:NUM_EVALUATION_PROMPTS], questions[NUM_EVALUATION_PROMPTS:]
    records = {
        "oasst.trees.jsonl.gz": oasst_trees(dice, questions, permute_labels=permute_labels),
        "helpsteer.jsonl.gz": helpsteer_rows(dice, questions, permute_labels=permute_labels),
        "hh.jsonl.gz": hh_pairs(dice, questions),
        "prompts.jsonl": [{"prompt": question.text} for question in held_out],
    }
    return {name: _json_lines(rows) for name, rows in records.items()}


def oasst_trees(dice: Dice, questions: Sequence[Question], *, permute_labels: bool) -> list[Record]:
    """Return trees of two or three answers with the means of three annotators, 0..1.

    Some answers are deleted or were turned down by reviewers: their text is noise, for the filters
    to drop. One tree in four goes on for a second turn.
    """
    plans = []
    for _ in range(NUM_TREES):
        first, second = dice.one(questions), dice.one(questions)
        answers = [an_answer(dice, first), an_answer(dice, first)]
        if dice.chance(0.25):
            answers.append(an_answer(dice, second))
        plans.append(answers)
    levels = _levels_as_labels(dice, [a for p in plans for a in p], permute_labels=permute_labels)
    return [
        _tree(dice, f"tree-{number:04}", answers, levels) for number, answers in enumerate(plans)
    ]


def helpsteer_rows(
    dice: Dice, questions: Sequence[Question], *, permute_labels: bool
) -> list[Record]:
    """Return two rows a prompt, each with integer labels that are now and then one off."""
    answers = []
    for _ in range(NUM_HELPSTEER_PROMPTS):
        question = dice.one(questions)
        answers += [an_answer(dice, question), an_answer(dice, question)]
    levels = _levels_as_labels(dice, answers, permute_labels=permute_labels)
    return [
        {
            "prompt": answer.question.text,
            "response": answer.text,
            "helpfulness": _judged(dice, seen["helpfulness"], 0.1),
            "verbosity": _judged(dice, seen["verbosity"], 0.1),
        }
        for answer, seen in zip(answers, levels, strict=True)
    ]


def hh_pairs(dice: Dice, questions: Sequence[Question]) -> list[Record]:
    """Return pairs of answers to one question; nothing says which labels they deserve."""
    pairs = []
    for _ in range(NUM_PAIRS):
        question = dice.one(questions)
        texts = [
            f"\n\nHuman: {question.text}\n\nAssistant: {an_answer(dice, question).text}"
            for _ in range(2)
        ]
        pairs.append({"chosen": texts[0], "rejected": texts[1]})
    return pairs


def write_if_changed(path: Path, text: str) -> None:
    """Write the text, compressed if the name ends in .gz; equal text leaves the file alone.

    Compressed bytes depend on the zlib that made them, so the text is what is compared.
    """
    is_compressed = path.suffix == ".gz"
    if path.exists():
        old = path.read_bytes()
        if (gzip.decompress(old) if is_compressed else old) == text.encode():
            return
    data = text.encode()
    path.write_bytes(gzip.compress(data, compresslevel=9, mtime=0) if is_compressed else data)


def _tree(
    dice: Dice, tree_id: str, answers: Sequence[Answer], levels: Iterator[dict[str, int]]
) -> Record:
    replies = [
        _assistant_message(dice, f"{tree_id}-{place}", answer, next(levels))
        for place, answer in enumerate(answers[:2])
    ]
    for answer in answers[2:]:
        asked = _message(f"{tree_id}-2", answer.question.text, "prompter")
        asked["replies"] = [_assistant_message(dice, f"{tree_id}-3", answer, next(levels))]
        replies[0]["replies"] = [asked]
    prompt = _message(tree_id, answers[0].question.text, "prompter")
    prompt["replies"] = replies
    return {"message_tree_id": tree_id, "tree_state": "ready_for_export", "prompt": prompt}


def _assistant_message(dice: Dice, message_id: str, answer: Answer, seen: dict[str, int]) -> Record:
    message = _message(message_id, answer.text, "assistant")
    fate = dice.below(20)
    if fate == 0:
        return message | {"text": "Who let the dog type?", "deleted": True}
    if fate == 1:
        return message | {"text": "Buy my hats!", "review_result": False}
    names = ("quality", "humor")
    message["labels"] = {"spam": {"value": 0.0, "count": 3}} | {
        name: {"value": _mean_of_annotators(dice, seen[name]), "count": 3} for name in names
    }
    return message


def _message(message_id: str, text: str, role: str) -> Record:
    return {
        "message_id": message_id,
        "role": role,
        "text": text,
        "lang": "en",
        "review_result": True,
        "deleted": False,
        "replies": [],
    }


def _levels_as_labels(
    dice: Dice, answers: Sequence[Answer], *, permute_labels: bool
) -> Iterator[dict[str, int]]:
    levels = [answer.levels for answer in answers]
    shuffled = dice.shuffled(levels)  # drawn in either case, so that the texts stay the same
    return iter(shuffled if permute_labels else levels)


def _mean_of_annotators(dice: Dice, level: int) -> float:
    """Return the mean of three annotators on 0..1; each is one level off in a tenth of cases."""
    votes = [_judged(dice, level, 0.1) / (LEVELS - 1) for _ in range(3)]
    return round(sum(votes) / len(votes), 6)


def _judged(dice: Dice, level: int, off_fraction: float) -> int:
    if not dice.chance(off_fraction):
        return level
    step = 1 if dice.chance(0.5) else -1
    return min(LEVELS - 1, max(0, level + step))


def _json_lines(records: Iterable[Record]) -> str:
    return "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)


def main() -> None:
    """Write the data files; a file whose text has not changed is left alone."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m examples.world")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--permute-labels",
        action="store_true",
        help="hand each answer's labels to another answer: then nothing can be learnt from them",
    )
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    files = world_files(arguments.seed, permute_labels=arguments.permute_labels)
    for name, text in files.items():
        write_if_changed(arguments.out / name, text)


if __name__ == "__main__":
    main()
