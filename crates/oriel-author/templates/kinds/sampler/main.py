from dataclasses import dataclass

from oriel_extension import Choice, Execution, History, sampler


@dataclass
class Spread:
    every: int = 10


@sampler
def spread(execution: Execution, history: History, config: Spread) -> Choice:
    if execution.failure:
        return Choice(True, "failed")
    if history.since_last + 1 >= config.every:
        return Choice(True, "its turn")
    return Choice(False)
