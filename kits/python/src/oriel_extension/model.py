"""Completions by the model that the operator has set up. Needs `model` under `[permissions]` in extension.toml.

    answer = model.complete("Is this spam? " + text, system="Answer yes or no.", max_tokens=5).text
    verdict = model.complete_json(text, schema={"type": "object", "properties": {"spam": {"type": "boolean"}}})
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ._host import host
from ._json import write
from .errors import Internal, host_call

ROLES = ("system", "user", "assistant")
FINISH_REASONS = ("stop", "length", "content-filter", "other")


@dataclass(frozen=True)
class Completion:
    """What the model answered, why it stopped (`stop`, `length`, `content-filter`, `other`), and what it took."""

    text: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    model: str


def _messages(module: Any, prompt: str | Sequence[tuple[str, str]], system: str | None) -> list[Any]:
    pairs = [("user", prompt)] if isinstance(prompt, str) else list(prompt)
    if system is not None:
        pairs.insert(0, ("system", system))
    for role, _ in pairs:
        if role not in ROLES:
            raise ValueError(f"a message is of the role system, user or assistant, not {role!r}")
    return [module.Message(role=module.Role[role.upper()], content=content) for role, content in pairs]


def complete(
    prompt: str | Sequence[tuple[str, str]],
    *,
    system: str | None = None,
    model: str | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
    json_schema: object = None,
    stop: Sequence[str] = (),
) -> Completion:
    """Asks the model: one text, or a conversation as pairs of role and text.

    Raises `Denied` when the grant does not cover it, `LimitExceeded` when what may be spent is used up, `Unavailable` when there is
    no model or its endpoint does not answer.
    """
    module = host("model", "model = {}")
    request = module.Request(
        model=model,
        messages=_messages(module, prompt, system),
        max_tokens=max_tokens,
        temperature=temperature,
        json_schema=None if json_schema is None else write(json_schema),
        stop=list(stop),
    )
    answer = host_call(module.complete, request)
    return Completion(
        answer.text,
        FINISH_REASONS[answer.finish_reason.value],
        answer.usage.input_tokens,
        answer.usage.output_tokens,
        answer.model,
    )


def complete_json(prompt: str | Sequence[tuple[str, str]], schema: object, **options: Any) -> Any:
    """Asks for JSON that fits a JSON Schema, and parses it. Raises `Internal` when the answer is not JSON."""
    answer = complete(prompt, json_schema=schema, **options)
    try:
        return json.loads(answer.text)
    except ValueError as error:
        raise Internal(f"the model's answer is not JSON: {error}") from None
