import time
from dataclasses import dataclass

from oriel_extension import call, config, context, errors, http, kv, lifecycle, log, metrics, model, program, queue, secrets


@dataclass
class Pair:
    numbers: list[int]


@dataclass
class Request:
    url: str
    body: object = None


@program
def echo(value: object) -> object:
    return value


@program
def add(pair: Pair) -> int:
    return sum(pair.numbers)


@program
def fail(case: str) -> None:
    if case == "deadline-exceeded":
        raise errors.DeadlineExceeded()
    raise getattr(errors, "".join(word.capitalize() for word in case.split("-")))("as ordered: ü")


@program
def crash(_: object) -> int:
    return len({}["nothing"])


@program
def surroundings(_: object) -> dict:
    now = context.current()
    settings = config.get()
    log.debug("seen", config=settings)
    return {"extension": now.extension, "version": now.version, "config": settings, "left": context.remaining_ms() > 0}


@program
def keys(_: object) -> dict:
    kv.set("text", "grün")
    kv.set_json("json", {"a": [1]})
    count = kv.increment("count", 2) + kv.increment("count", 40)
    entry = kv.entry("text")
    assert entry is not None
    swapped = kv.compare_and_swap("text", entry.version, "blau") is not None
    late = kv.compare_and_swap("text", entry.version, "rot") is not None
    found = kv.get_json("json")
    gone = kv.delete("json")
    return {
        "text": kv.get_text("text"),
        "json": found,
        "count": count,
        "swapped": swapped,
        "late": late,
        "gone": gone,
        "absent": kv.get("json"),
        "keys": list(kv.keys()),
    }


@program
def fetch(request: Request) -> dict:
    method = "GET" if request.body is None else "POST"
    answer = http.fetch(request.url, method=method, json=request.body, headers={"X-Probe": "ü"}, timeout_ms=30_000)
    return {"status": answer.status, "type": answer.headers.get("content-type"), "body": answer.json()}


@program
def others(_: object) -> dict:
    place = call.program("geo", "lookup", {"city": "Ulm"})
    try:
        closed = call.program("geo", "closed", {})
    except errors.Unavailable:
        closed = True
    metrics.add("asked", 2, kind="city")
    metrics.record("seconds", 0.25)
    return {"place": place, "closed": closed, "token": secrets.placeholder("token") != "", "caller": context.caller()}


@program
def later(_: object) -> dict:
    id = queue.enqueue("send", {"n": 1}, delay=1.5, deduplication_key="k", attempts=4)
    try:
        queue.enqueue("closed")
        refused = False
    except errors.LimitExceeded:
        refused = True
    verdict = model.complete_json(
        "6 × 7?", {"type": "object"}, system="Be short.", model="small", max_tokens=9, temperature=0.5, stop=["!"]
    )
    plain = model.complete("hi")
    return {
        "id": id,
        "refused": refused,
        "pending": queue.pending("send"),
        "verdict": verdict,
        "text": plain.text,
        "finish": plain.finish_reason,
        "tokens": [plain.input_tokens, plain.output_tokens],
        "model": plain.model,
    }


@program
def now(_: object) -> float:
    return time.time()


@lifecycle.initialize
def start() -> None:
    log.info("ready")


@lifecycle.health_check
def health() -> lifecycle.Health:
    return lifecycle.Health(True, "well")


@lifecycle.check_config
def check(settings: dict) -> list[lifecycle.ConfigProblem]:
    return [lifecycle.ConfigProblem("/threshold", "must not be 0")] if settings.get("threshold") == 0 else []
