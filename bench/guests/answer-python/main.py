"""The program of the benchmarks, in Python."""

from typing import Any

from oriel_extension import program


@program
def answer(question: dict[str, Any]) -> dict[str, Any]:
    return {"greeting": f"Hello, {question['name']}", "n": question["n"] + 1}
