"""Opens GitHub issues, one for the same trouble.

An event may be delivered again after an attempt of which nobody knows how it ended. So an attempt is written down before it is made, and
the next one first looks whether the issue is there.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from oriel_extension import Event, HookCall, InvalidInput, OrielError, Unavailable
from oriel_extension import config, context, hook, kv, lifecycle, log, metrics, on_event
from github import GitHub, Uncertain
from text import Message, body, comment, fill, mark, title

# Longer than a call can take.
LOCK_MS = 60_000
# Longer than events are delivered again.
TRIED_MS = 7 * 86_400_000
UNITS = {"h": 3_600_000, "d": 86_400_000}


@dataclass
class Settings:
    repository: str | None = None
    labels: list[str] = field(default_factory=list)
    api_url: str = "https://api.github.com"


@dataclass
class Binding:
    repository: str | None = None
    labels: list[str] = field(default_factory=list)
    assignees: list[str] = field(default_factory=list)
    title: str | None = None
    same: str | None = None
    on_repeat: str = "nothing"
    remember: str = "30d"


def digest(*parts: str) -> str:
    return hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def handle(message: Message, binding: Binding) -> None:
    settings = config.get(Settings)
    repository = binding.repository or settings.repository
    if repository is None:
        raise InvalidInput("neither the binding nor the installation names a repository")
    headline = title(binding.title, message)
    # What stands for nothing would make one trouble of all.
    same = fill(binding.same, message).strip() if binding.same else ""
    fingerprint = digest(repository.lower(), same or headline)
    github = GitHub(settings.api_url, repository)
    remember = int(binding.remember[:-1]) * UNITS[binding.remember[-1]]
    known = kv.get_json(f"issue:{fingerprint}")
    if known is None:
        labels = list(dict.fromkeys([*settings.labels, *binding.labels]))
        known = open_once(github, message, headline, labels, binding.assignees, fingerprint, remember)
        if known is None:
            return
    repeat(github, message, known, fingerprint, binding.on_repeat)


def open_once(
    github: GitHub, message: Message, headline: str, labels: list[str], assignees: list[str], fingerprint: str, remember: int
) -> Any:
    """Opens the issue, or answers the one that somebody else has opened meanwhile."""
    lock, tried, issue = f"lock:{fingerprint}", f"tried:{fingerprint}", f"issue:{fingerprint}"
    if kv.compare_and_swap(lock, None, "", ttl_ms=LOCK_MS) is None:
        raise Unavailable("another delivery is about to open the issue")
    try:
        known = kv.get_json(issue)
        if known is not None:
            return known
        made = github.find(mark(fingerprint)) if kv.get(tried) is not None else None
        if made is None:
            kv.set(tried, "", ttl_ms=TRIED_MS)
            try:
                made = github.open_issue(headline, body(message, fingerprint), labels, assignees)
            except Uncertain:
                raise
            except OrielError:
                # It is certain that there is no issue.
                kv.delete(tried)
                raise
            metrics.add("opened")
            log.info("opened", issue=made["number"], repository=github.repository, title=headline)
        else:
            log.info("found", issue=made["number"], repository=github.repository)
        kv.set_json(issue, {**made, "first": occurrence(message)}, ttl_ms=remember)
        kv.delete(tried)
        return None
    finally:
        kv.delete(lock)


def occurrence(message: Message) -> str:
    """What is the same when an event is delivered again. A hook's payload has no id: it stands for itself."""
    return digest(message.source, message.id) if message.id else digest(message.type, repr(message.data))


def repeat(github: GitHub, message: Message, known: dict[str, Any], fingerprint: str, on_repeat: str) -> None:
    this = occurrence(message)
    if known.get("first") == this:
        log.info("opened before", issue=known["number"])
        return
    metrics.add("repeated")
    if on_repeat != "comment":
        log.info("known", issue=known["number"])
        return
    # Told first and written then: an answer that is lost costs a second comment, never one that is missing.
    seen = f"told:{fingerprint}:{this}"
    if kv.get(seen) is None:
        github.comment(known["number"], comment(message))
        kv.set(seen, "", ttl_ms=TRIED_MS)
        log.info("commented", issue=known["number"])


@on_event("open-issue")
def on_any_event(event: Event, binding: Binding) -> None:
    data = f"{len(event.data)} bytes" if isinstance(event.data, bytes) else event.data
    handle(Message(event.type, event.source, data, event.id, event.subject, event.time_ms), binding)


@hook("open-issue")
def on_hook(call: HookCall, binding: Binding) -> None:
    message = Message(call.hook, f"/tenants/{context.current().tenant}", call.payload)
    if call.dry_run:
        log.info("would open", title=title(binding.title, message))
        return
    handle(message, binding)


@lifecycle.check_config
def check(settings: dict) -> list[lifecycle.ConfigProblem]:
    url = settings.get("api_url", "")
    local = url.startswith(("http://127.0.0.1:", "http://localhost:"))
    if url.startswith("http://") and not local:
        return [lifecycle.ConfigProblem("/api_url", "must be https: the token goes there")]
    return []
