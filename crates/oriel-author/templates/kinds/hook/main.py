from dataclasses import dataclass, field

from oriel_extension import HookCall, hook


@dataclass
class Defaults:
    defaults: dict = field(default_factory=dict)


@hook
def fill_in(call: HookCall[dict], config: Defaults) -> dict:
    return {**config.defaults, **call.payload}
