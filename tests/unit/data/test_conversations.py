from steerlm_jobs.data.conversations import Conversation, Role, Turn

PLAIN = Conversation(
    id="hh/1",
    source="hh",
    group="text:ab",
    system="Be kind.",
    turns=(Turn(Role.USER, "Hi"), Turn(Role.ASSISTANT, "Hello")),
)
FULL = Conversation(
    id="oasst/7",
    source="oasst",
    group="text:cd",
    system="",
    turns=(
        Turn(Role.USER, "Hi", message_id="a", language="en"),
        Turn(Role.ASSISTANT, "Ho", {"humor": 4}, {"humor": 3}, {"humor": 3.7}, "b", "en"),
    ),
    split="validation",
    requested={"humor": 4},
    rank=2,
    rank_sum=0.25,
    kept=False,
    follow_ups=("And then?",),
)


def test_conversations_survive_json():
    assert Conversation.from_json(PLAIN.to_json()) == PLAIN
    assert Conversation.from_json(FULL.to_json()) == FULL


def test_json_holds_nothing_that_is_empty():
    assert PLAIN.to_json() == {
        "id": "hh/1",
        "source": "hh",
        "group": "text:ab",
        "system": "Be kind.",
        "turns": [{"role": "User", "text": "Hi"}, {"role": "Assistant", "text": "Hello"}],
        "split": "train",
    }
