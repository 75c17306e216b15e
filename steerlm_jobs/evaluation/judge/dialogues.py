"""From prompts and answers to comparisons. Pure."""

from collections.abc import Mapping, Sequence

from steerlm_jobs.data.conversations import Conversation, Role
from steerlm_jobs.data.seeds import unit_interval
from steerlm_jobs.evaluation.judge.comparisons import Comparison, Dialogue, Side

Answers = Sequence[tuple[str, ...] | None]
"""For each prompt a model's answers: to the prompt, then to each question that follows it. None:
the prompt, or one of the others, was too long to be asked."""


def comparisons(
    prompts: Sequence[Conversation], answers: Mapping[str, Answers], seed: int
) -> list[Comparison]:
    """Return one comparison for each prompt and each other model.

    Prompts come in an order of chance, and one prompt's comparisons together: where the money ends,
    all models were compared on the same questions, of all kinds.

    Args:
        prompts: Each ends with a user turn.
        answers: By stage id, the final model's first.
        seed: Of the order.
    """
    final, *others = answers
    order = sorted(
        range(len(prompts)), key=lambda i: (unit_interval(seed, "judge", prompts[i].id), i)
    )
    return [
        Comparison(
            prompts[i].id, other, _dialogues(prompts[i], answers[final][i], answers[other][i])
        )
        for i in order
        for other in others
    ]


def question_text(prompt: Conversation) -> str:
    """Return what was asked, below what had been said before it if anything had."""
    *before, last = prompt.turns
    if not before:
        return last.text
    names = {Role.USER: "User", Role.ASSISTANT: "Assistant"}
    said = "\n".join(f"[{names[turn.role]}] {turn.text}" for turn in before)
    return f"(said before)\n{said}\n(now asked)\n{last.text}"


def _dialogues(
    prompt: Conversation, final: tuple[str, ...] | None, other: tuple[str, ...] | None
) -> dict[Side, Dialogue]:
    if final is None or other is None:
        return {}
    questions = (question_text(prompt), *prompt.follow_ups)
    return {Side.FINAL: Dialogue(questions, final), Side.OTHER: Dialogue(questions, other)}
