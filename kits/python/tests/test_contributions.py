"""Contributions other than programs, with a host made of plain objects."""

import enum
import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypedDict

import pytest

from oriel_extension import Choice, Event, Execution, History, HookCall, InvalidInput, JobRun, Subject, Unavailable, Verdict
from oriel_extension import _exports, _host, _registry, config, hook, job, on_event, sampler, validator


def record(name: str) -> type:
    """A class of componentize-py: its arguments are its value."""

    def init(self: Any, *values: Any) -> None:
        self.values = values
        self.value = values[0] if values else None

    return type(name, (), {"__init__": init})


class Failed(Exception):
    """What an export raises."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.value = value


CASES = ("InvalidInput", "Unavailable", "Denied", "LimitExceeded", "DeadlineExceeded", "Internal")
Kind = enum.Enum("Kind", ["FILTER", "VALIDATE", "DECIDE", "COLLECT", "OBSERVE"])
EventData = SimpleNamespace(json=record("EventData_Json"), text=record("EventData_Text"))
binding = "{}"


@pytest.fixture(autouse=True)
def host() -> Iterator[None]:
    global binding
    binding = "{}"
    _host.bind(
        config=SimpleNamespace(get=lambda: "{}", binding=lambda: binding),
        log=SimpleNamespace(Level=SimpleNamespace(ERROR=0), write=lambda *_: None),
        types=SimpleNamespace(Verdict=record("Verdict"), **{f"Error_{case}": record(f"Error_{case}") for case in CASES}),
        sampler=SimpleNamespace(Choice=record("Choice")),
        event_handler=SimpleNamespace(EventData_Json=EventData.json),
        hook=SimpleNamespace(**{f"Answer_{case}": record(f"Answer_{case}") for case in ("Nothing", "Payload", "Verdict", "Decision", "Item")}),
        Err=Failed,
    )
    kept = {kind: dict(names) for kind, names in _registry._contributions.items()}
    yield
    _registry._contributions.update(kept)
    _host._bound.clear()


def execution(output: str | None = '{"late":true}') -> Any:
    failure = None if output is not None else SimpleNamespace(code="execution.timeout", message="too late")
    return SimpleNamespace(
        id="exec_1", task=None, extension="e", version="1.0.0", program="p", input='{"delay":16}', output=output, failure=failure,
        started_ms=1, wall_us=2, guest_cpu_us=3,
    )  # fmt: skip


def subject(output: str | None = '{"late":true}', expected: str | None = None) -> Any:
    return SimpleNamespace(execution=execution(output), input_schema=None, output_schema='{"type":"object"}', expected_output=expected)


def failure(call: Any) -> str:
    """The error of the guest API as `Case: message`."""
    with pytest.raises(Failed) as raised:
        call()
    error = raised.value.value
    return f"{type(error).__name__.removeprefix('Error_')}: {error.value}"


@dataclass
class Flight:
    delay: float


class Answer(TypedDict):
    late: bool


@dataclass
class Limits:
    most: float = 15


def test_validators() -> None:
    global binding

    @validator
    def is_right(subject: Subject[Flight, Answer], limits: Limits) -> Verdict:
        late = subject.execution.input.delay > limits.most
        given = subject.execution.output or {"late": False}
        return Verdict(given["late"] == late, f"most {limits.most}", 1, {"schema": subject.output_schema})

    @validator("plain")
    def expected(subject: Subject) -> bool:  # type: ignore[type-arg]
        return bool(subject.execution.output == subject.expected_output)

    ask = _exports.Validator().validate
    assert ask("is-right", subject()).values == (True, 1.0, "most 15", '{"schema":{"type":"object"}}')
    binding = '{"most":20}'
    assert ask("is-right", subject()).values[::2] == (False, "most 20.0")
    assert ask("plain", subject("[1]", "[1]")).values == (True, None, None, None)
    assert ask("plain", subject(None, "[1]")).values[0] is False
    binding = '{"most":"x"}'
    assert failure(lambda: ask("is-right", subject())) == "Internal: the binding's configuration does not fit: at `most`: expected a number, got 'x'"
    assert failure(lambda: ask("is-right", subject("[]"))) == "InvalidInput: output: expected an object, got []"
    assert failure(lambda: ask("is-right", subject("{}"))) == "InvalidInput: output: missing field `late`"
    assert failure(lambda: ask("nope", subject())) == "InvalidInput: this extension has no validator `nope`"


def test_answers_of_another_type_are_told() -> None:
    @validator
    def words(subject: Any) -> Any:
        return "fine"

    @validator
    def scored(subject: Any) -> Any:
        return Verdict(True, score="high")  # type: ignore[arg-type]

    @sampler
    def much(execution: Any, history: Any) -> Any:
        return 1

    @hook
    def judged(call: Any) -> Any:
        return Verdict(True)

    wanted = "Internal: validator `words` returned 'fine' (str); it must return a Verdict, True or False"
    assert failure(lambda: _exports.Validator().validate("words", subject())) == wanted
    told = failure(lambda: _exports.Validator().validate("scored", subject()))
    assert told.endswith("it must return a Verdict whose score is a number from 0 to 1")
    wanted = "Internal: sampler `much` returned 1 (int); it must return a Choice, True or False"
    assert failure(lambda: _exports.Sampler().sample("much", execution(), history())) == wanted
    call = SimpleNamespace(hook="order.pre-create", kind=Kind.FILTER, payload="{}", dry_run=False)
    told = failure(lambda: _exports.Hook().fire("judged", call))
    wanted = "(Verdict); it must return the payload that goes on, or None, because the hook `order.pre-create` is of the kind `filter`"
    assert told.endswith(wanted)


def history(since_last: int = 9) -> Any:
    return SimpleNamespace(last_sample_ms=None, seen=10, sampled=1, since_last=since_last)


def test_samplers() -> None:
    @sampler
    def every(execution: Execution[Any, Any], history: History, settings: dict[str, int]) -> Choice:
        return Choice(history.since_last + 1 >= settings.get("n", 10), "its turn")

    @sampler
    def failed(execution: Execution[Any, Any], history: History) -> bool:
        return execution.failure is not None

    ask = _exports.Sampler().sample
    assert ask("every", execution(), history(9)).values == (True, "its turn")
    assert ask("every", execution(), history(8)).values == (False, "its turn")
    assert ask("failed", execution(None), history()).values == (True, None)


def test_event_handlers() -> None:
    seen: list[Any] = []

    @on_event
    def note(event: Event[Flight]) -> None:
        seen.append(event)

    @on_event
    def down(event: Event[Any]) -> None:
        raise Unavailable("try again")

    def event(data: Any) -> Any:
        return SimpleNamespace(
            id="1", source="/s", type="flight.landed", subject=None, time_ms=5, datacontenttype=None, dataschema=None,
            attributes=[("region", "eu")], data=data,
        )  # fmt: skip

    handle = _exports.EventHandler().handle
    handle("note", event(EventData.json('{"delay":1}')))
    assert (seen[0].data, seen[0].type, seen[0].attributes) == (Flight(1.0), "flight.landed", {"region": "eu"})
    handle("note", event(EventData.text("hello")))
    handle("note", event(None))
    assert [item.data for item in seen[1:]] == ["hello", None]
    assert failure(lambda: handle("note", event(EventData.json("[]")))) == "InvalidInput: event data: expected an object, got []"
    assert failure(lambda: handle("down", event(None))) == "Unavailable: try again"


def test_hook_handlers_answer_by_kind() -> None:
    @hook
    def same(call: HookCall[Any]) -> Any:
        return call.payload

    @hook
    def nothing(call: HookCall[Any]) -> None:
        return None

    def fire(name: str, kind: Any, payload: str = "true") -> Any:
        answer = _exports.Hook().fire(name, SimpleNamespace(hook="h", kind=kind, payload=payload, dry_run=True))
        return type(answer).__name__.removeprefix("Answer_"), answer.value

    assert fire("same", Kind.FILTER, '{"ü":1}') == ("Payload", '{"ü":1}')
    assert fire("same", Kind.DECIDE, "7") == ("Decision", "7")
    assert fire("same", Kind.COLLECT, "[]") == ("Item", "[]")
    assert fire("same", Kind.OBSERVE) == ("Nothing", None)
    assert fire("same", Kind.VALIDATE)[1].values == (True, None, None, None)
    for kind in Kind:
        assert fire("nothing", kind)[0] == "Nothing"
    assert failure(lambda: fire("same", Kind.VALIDATE, "7")).startswith("Internal: hook handler `same` returned 7 (int)")
    assert failure(lambda: fire("same", Kind.FILTER, "{")).startswith("InvalidInput: the payload is not JSON")


def test_jobs() -> None:
    @job
    def clean_up(run: JobRun[Flight]) -> dict[str, Any]:
        return {"by": run.trigger.kind, "name": run.trigger.name, "attempt": run.attempt, "delay": run.input.delay}

    run = _exports.Job().run
    schedule = record("Trigger_Schedule")("nightly")
    answer = json.loads(run("clean-up", SimpleNamespace(trigger=schedule, input='{"delay":2}', attempt=3)))
    assert answer == {"by": "schedule", "name": "nightly", "attempt": 3, "delay": 2.0}
    manual = SimpleNamespace(trigger=record("Trigger_Manual")(), input="{}", attempt=1)
    assert failure(lambda: run("clean-up", manual)) == "InvalidInput: missing field `delay`"


def test_an_exception_is_internal_with_its_message() -> None:
    @validator
    def breaks(subject: Any) -> bool:
        raise KeyError("nothing")

    assert failure(lambda: _exports.Validator().validate("breaks", subject())) == "Internal: KeyError: 'nothing'"


def test_the_binding_can_be_asked_for() -> None:
    global binding
    binding = '{"most":3}'
    assert config.binding() == {"most": 3}
    assert config.binding(Limits) == Limits(3.0)


def test_mistakes_are_found_when_the_module_loads() -> None:
    def refused(kind: Any, function: Any, message: str) -> None:
        with pytest.raises(TypeError, match=message):
            kind(function)

    def one(subject: int) -> bool:
        return True

    def three(subject: Any, config: Any, more: Any) -> bool:
        return True

    async def later(subject: Any) -> bool:
        return True

    refused(validator, one, "the parameter `subject` of validator `one` is a Subject; annotate it so, or not at all")
    refused(validator, three, "validator `three` must take a Subject, and may take its binding's configuration after that")
    refused(sampler, one, "sampler `one` must take an Execution and a History, and may")
    refused(job, three, "job `three` must take exactly one parameter, a JobRun")
    refused(hook, later, "hook handler `later` is async")
    validator("twice")(lambda subject: True)
    refused(validator("twice"), lambda subject: True, "there are two validators `twice`")
    refused(lambda _: validator(7), one, "the name of a validator is a text, not 7")  # type: ignore[call-overload]
    _registry.require({"validator": ["twice"]})
    with pytest.raises(TypeError, match="extension.toml declares the validator `other`, and the source has none of that name; it has .*`twice`"):
        _registry.require({"validator": ["other"]})
    with pytest.raises(InvalidInput, match="no job `twice`"):
        _registry.find(_registry.JOB, "twice")
