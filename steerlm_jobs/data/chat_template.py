"""The template as Jinja, for those who call a model without this package."""

import json
from collections.abc import Mapping
from typing import Final

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.fingerprint import canonical_json
from steerlm_jobs.data.template import LABEL_MARKER, SYSTEM_MARKER, TURN_MARKER

_USER_TURN: Final = (
    "{%- if message.role == 'user' -%}"
    f"{{{{- '{TURN_MARKER}User\\n' ~ message.content | trim ~ '\\n' -}}}}"
)


def chat_template(
    schema: Schema, targets: Mapping[str, int], *, system: str, adds_bos: bool
) -> str:
    """Return `chat_template.jinja`: one line, so that no white space of its own comes in.

    Its variable `attributes` holds the labels that are asked for; those it does not name are at
    their targets. `messages[i].attributes` are an earlier answer's own labels.

    Args:
        schema: Fixes the order.
        targets: Labels of attributes that nobody named.
        system: System prompt of conversations that bring none.
        adds_bos: True where our own token ids start with the tokenizer's BOS.
    """
    order = canonical_json([[name, targets[name]] for name in schema.names])
    line = _label_line() if schema.attributes else ""  # a model of plain answers has none
    return "".join(
        (
            f"{{%- set order = {order} -%}}",
            "{%- set asked = attributes if attributes is defined and attributes else {} -%}",
            f"{{%- macro label_line(own) -%}}{line}{{%- endmacro -%}}",
            _head(system, adds_bos=adds_bos),
            "{%- for message in turns -%}",
            _USER_TURN,
            f"{{%- else -%}}{{{{- '{TURN_MARKER}Assistant\\n' -}}}}",
            "{{- label_line(message.attributes) ~ message.content | trim ~ '\\n' -}}",
            "{%- endif -%}{%- endfor -%}",
            f"{{%- if add_generation_prompt -%}}{{{{- '{TURN_MARKER}Assistant\\n' -}}}}",
            "{{- label_line({}) -}}",
            "{%- elif turns and turns[-1].role == 'assistant' -%}",
            f"{{{{- '{TURN_MARKER}' -}}}}{{%- endif -%}}",
        )
    )


def scoring_chat_template(*, system: str, adds_bos: bool) -> str:
    """Return the template of an attribute prediction model: no labels, a label marker at the end.

    Args:
        system: System prompt of conversations that bring none.
        adds_bos: True where our own token ids start with the tokenizer's BOS.
    """
    return "".join(
        (
            _head(system, adds_bos=adds_bos),
            "{%- for message in turns -%}",
            _USER_TURN,
            f"{{%- else -%}}{{{{- '{TURN_MARKER}Assistant\\n' -}}}}",
            "{{- message.content | trim ~ '\\n' -}}",
            f"{{%- endif -%}}{{%- endfor -%}}{{{{- '{LABEL_MARKER}' -}}}}",
        )
    )


def _head(system: str, *, adds_bos: bool) -> str:
    """Return what writes BOS and the system prompt, and leaves the other messages in `turns`."""
    return "".join(
        (
            "{{- bos_token -}}" if adds_bos else "",
            "{%- if messages[0].role == 'system' -%}",
            "{%- set system = messages[0].content -%}{%- set turns = messages[1:] -%}",
            f"{{%- else -%}}{{%- set system = {_literal(system)} -%}}",
            "{%- set turns = messages -%}{%- endif -%}",
            f"{{{{- '{SYSTEM_MARKER}System\\n' ~ system | trim ~ '\\n' -}}}}",
        )
    )


def _literal(text: str) -> str:
    """Return a text as Jinja writes it: JSON, but characters beyond ASCII as they are.

    Jinja would read JSON's two escapes of an emoji as two halves of a character.
    """
    return json.dumps(text, ensure_ascii=False)


def _label_line() -> str:
    value = "(own or {}).get(name, asked.get(name, target))"
    return "".join(
        (
            f"{LABEL_MARKER}{{%- for name, target in order -%}}",
            f"{{{{- (',' if not loop.first else '') ~ name ~ ':' ~ {value} -}}}}",
            "{%- endfor -%}{{- '\\n' -}}",
        )
    )
