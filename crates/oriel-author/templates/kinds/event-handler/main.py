from dataclasses import dataclass

from oriel_extension import Event, log, on_event


@dataclass
class Created:
    title: str


@on_event
def note(event: Event[Created]) -> None:
    log.info("noted", type=event.type, title=event.data.title)
