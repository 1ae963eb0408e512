"""The exports of the component, one class for each interface. The generated entry takes those that the manifest declares."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from . import config, lifecycle, log
from ._host import go_live, host
from ._json import read, read_some, write
from ._program import run
from ._registry import EVENT_HANDLER, HOOK, JOB, SAMPLER, VALIDATOR, Contribution, find
from ._registry import require as require
from .errors import Internal, OrielError, describe, to_host
from .shapes import Choice, Event, Execution, Failure, History, HookCall, JobRun, Subject, Trigger, Verdict

T = TypeVar("T")


def _places(error: BaseException) -> str:
    """Where it was raised, innermost last. The standard formatter would look for source files, which are not there."""
    places = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        places.append(f"{code.co_filename}:{step.tb_lineno} in {code.co_name}")
        step = step.tb_next
    return "\n".join(places)


def _guarded(work: Callable[[], T]) -> T:
    """Runs a call; what it raises becomes an error of the guest API."""
    go_live()
    try:
        return work()
    except (Exception, SystemExit) as error:
        if not isinstance(error, OrielError):
            log.error(describe(error), traceback=_places(error))
        raise to_host(error) from None


def _call(contribution: Contribution, *given: Any) -> Any:
    """Calls the function, with its binding's configuration if it wants that."""
    if contribution.takes_config:
        return contribution.function(*given, config.binding(contribution.config))
    return contribution.function(*given)


def _wrong(contribution: Contribution, answer: Any, wanted: str) -> Internal:
    shown = repr(answer)
    if len(shown) > 60:
        shown = shown[:57] + "..."
    return Internal(f"{contribution.who} returned {shown} ({type(answer).__name__}); it must return {wanted}")


def _execution(given: Any, contribution: Contribution) -> Execution[Any, Any]:
    return Execution(
        id=given.id,
        task=given.task,
        extension=given.extension,
        version=given.version,
        program=given.program,
        input=read(contribution.inner(0, 0), given.input, "input"),
        output=read_some(contribution.inner(0, 1), given.output, "output"),
        failure=None if given.failure is None else Failure(given.failure.code, given.failure.message),
        started_ms=given.started_ms,
        wall_us=given.wall_us,
        guest_cpu_us=given.guest_cpu_us,
    )


def _verdict(contribution: Contribution, answer: Any) -> Any:
    if isinstance(answer, bool):
        answer = Verdict(answer)
    if not isinstance(answer, Verdict) or not isinstance(answer.valid, bool):
        raise _wrong(contribution, answer, "a Verdict, True or False")
    score, message = answer.score, answer.message
    if score is not None and (isinstance(score, bool) or not isinstance(score, (int, float))):
        raise _wrong(contribution, answer, "a Verdict whose score is a number from 0 to 1")
    details = None if answer.details is None else write(answer.details)
    return host("types").Verdict(answer.valid, None if score is None else float(score), None if message is None else str(message), details)


class Program:
    """The export `program`."""

    def execute(self, name: str, input: str) -> str:
        return _guarded(lambda: run(name, input))


class Validator:
    """The export `validator`."""

    def validate(self, name: str, subject: Any) -> Any:
        def work() -> Any:
            contribution = find(VALIDATOR, name)
            given = Subject(
                execution=_execution(subject.execution, contribution),
                input_schema=read_some(Any, subject.input_schema, "input schema"),
                output_schema=read_some(Any, subject.output_schema, "output schema"),
                expected_output=read_some(contribution.inner(0, 1), subject.expected_output, "expected output"),
            )
            return _verdict(contribution, _call(contribution, given))

        return _guarded(work)


class Sampler:
    """The export `sampler`."""

    def sample(self, name: str, execution: Any, history: Any) -> Any:
        def work() -> Any:
            contribution = find(SAMPLER, name)
            seen = History(history.last_sample_ms, history.seen, history.sampled, history.since_last)
            answer = _call(contribution, _execution(execution, contribution), seen)
            if isinstance(answer, bool):
                answer = Choice(answer)
            if not isinstance(answer, Choice) or not isinstance(answer.sample, bool):
                raise _wrong(contribution, answer, "a Choice, True or False")
            return host("sampler").Choice(answer.sample, None if answer.reason is None else str(answer.reason))

        return _guarded(work)


class EventHandler:
    """The export `event-handler`."""

    def handle(self, name: str, event: Any) -> None:
        def work() -> None:
            contribution = find(EVENT_HANDLER, name)
            data: Any = None if event.data is None else event.data.value
            if isinstance(event.data, host("event_handler").EventData_Json):
                data = read(contribution.inner(0, 0), data, "event data")
            _call(
                contribution,
                Event(
                    id=event.id,
                    source=event.source,
                    type=event.type,
                    subject=event.subject,
                    time_ms=event.time_ms,
                    datacontenttype=event.datacontenttype,
                    dataschema=event.dataschema,
                    attributes=dict(event.attributes),
                    data=data,
                ),
            )

        _guarded(work)


class Hook:
    """The export `hook`."""

    def fire(self, name: str, call: Any) -> Any:
        def work() -> Any:
            contribution = find(HOOK, name)
            kind = call.kind.name.lower()
            payload = read(contribution.inner(0, 0), call.payload, "payload")
            answer = _call(contribution, HookCall(call.hook, kind, payload, call.dry_run))
            module = host("hook")
            if answer is None or kind == "observe":
                return module.Answer_Nothing()
            if kind == "validate":
                return module.Answer_Verdict(_verdict(contribution, answer))
            if isinstance(answer, Verdict):
                what = {"filter": "the payload that goes on", "decide": "its decision", "collect": "its item"}[kind]
                raise _wrong(contribution, answer, f"{what}, or None, because the hook `{call.hook}` is of the kind `{kind}`")
            case = {"filter": module.Answer_Payload, "decide": module.Answer_Decision, "collect": module.Answer_Item}[kind]
            return case(write(answer))

        return _guarded(work)


class Job:
    """The export `job`."""

    def run(self, name: str, run: Any) -> str:
        def work() -> str:
            contribution = find(JOB, name)
            kind = type(run.trigger).__name__.removeprefix("Trigger_").lower()
            trigger = Trigger(kind, getattr(run.trigger, "value", None))  # type: ignore[arg-type]
            given = read(contribution.inner(0, 0), run.input)
            return write(_call(contribution, JobRun(trigger, given, run.attempt)))

        return _guarded(work)


class Lifecycle:
    """The export `lifecycle`."""

    def initialize(self) -> None:
        function = lifecycle._functions.get("initialize")
        _guarded(lambda: None if function is None else function())

    def health_check(self) -> Any:
        go_live()
        record = host("lifecycle").Health
        function = lifecycle._functions.get("health_check")
        try:
            answer = None if function is None else function()
        except Exception as error:
            return record(False, f"{type(error).__name__}: {error}")
        if isinstance(answer, lifecycle.Health):
            return record(answer.healthy, answer.detail)
        return record(answer is not False, None)

    def check_config(self, config: str) -> None:
        go_live()
        function = lifecycle._functions.get("check_config")
        if function is None:
            return
        try:
            problems = [(problem.path, problem.message) for problem in function(json.loads(config)) or ()]
        except Exception as error:
            problems = [("", f"{type(error).__name__}: {error}")]
        if problems:
            record = host("lifecycle").ConfigProblem
            raise host("Err")([record(path, message) for path, message in problems])

    def shutdown(self) -> None:
        function = lifecycle._functions.get("shutdown")
        if function is not None:
            function()
