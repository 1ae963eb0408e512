"""The part of GitHub's REST API that is needed, https://docs.github.com/en/rest/issues, and what its refusals mean."""

import json
from typing import Any

from oriel_extension import Denied, InvalidInput, Unavailable, http, kv, metrics, secrets

PAUSE = "pause"
# "Wait for at least one minute", says GitHub where it does not say how long.
USUAL_PAUSE_S = 60
LONGEST_PAUSE_S = 3_600
API_VERSION = "2022-11-28"


class Uncertain(Unavailable):
    """Nobody knows whether GitHub has done it."""


class GitHub:
    """One repository."""

    def __init__(self, api_url: str, repository: str) -> None:
        self.base = f"{api_url.rstrip('/')}/repos/{repository}"
        self.repository = repository

    def open_issue(self, title: str, body: str, labels: list[str], assignees: list[str]) -> dict[str, Any]:
        issue: dict[str, Any] = {"title": title, "body": body}
        if labels:
            issue["labels"] = labels
        if assignees:
            issue["assignees"] = assignees
        made = self._ask("POST", "/issues", issue, wanted=201)
        return _summary(made)

    def comment(self, number: int, body: str) -> None:
        self._ask("POST", f"/issues/{number}/comments", {"body": body}, wanted=201)

    def find(self, mark: str) -> dict[str, Any] | None:
        """The newest issue with this mark, among the last hundred. The list is up to date at once; the search is not."""
        found = self._ask("GET", "/issues?state=all&sort=created&direction=desc&per_page=100", None, wanted=200)
        if not isinstance(found, list):
            raise Unavailable("GitHub's list of issues is none")
        for issue in found:
            if isinstance(issue, dict) and "pull_request" not in issue and mark in str(issue.get("body") or ""):
                return _summary(issue)
        return None

    def _ask(self, method: str, path: str, sent: Any, *, wanted: int) -> Any:
        if kv.get(PAUSE) is not None:
            raise Unavailable("GitHub has asked to be left alone for a while")
        headers = {
            "accept": "application/vnd.github+json",
            "authorization": f"Bearer {secrets.placeholder('github-token')}",
            "user-agent": "oriel-github-issue-handler",
            "x-github-api-version": API_VERSION,
        }
        try:
            answer = http.fetch(self.base + path, method=method, headers=headers, json=sent)
        except Unavailable as error:
            raise Uncertain(str(error)) from None
        if answer.status == wanted:
            try:
                return json.loads(answer.content)
            except ValueError:
                raise Uncertain("GitHub's answer is not JSON") from None
        self._refuse(answer)

    def _refuse(self, answer: http.Response) -> None:
        words = _words(answer)
        limited = answer.status == 429 or answer.status == 403 and (
            "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0" or "rate limit" in words.lower()
        )
        if limited:
            given = answer.headers.get("retry-after", "")
            seconds = min(max(int(given), 1), LONGEST_PAUSE_S) if given.isascii() and given.isdecimal() and len(given) < 9 else USUAL_PAUSE_S
            kv.set(PAUSE, str(answer.status), ttl_ms=seconds * 1_000)
            metrics.add("rate_limited")
            raise Unavailable(f"GitHub limits the rate: {words}; again after {seconds} s")
        if answer.status >= 500:
            raise Uncertain(f"GitHub answers {answer.status}")
        if answer.status in (401, 403):
            raise Denied(f"GitHub refuses the token: {words}")
        if answer.status in (301, 302, 307, 308):
            raise InvalidInput(f"{self.repository} has moved: configure its new name")
        if answer.status == 404:
            raise InvalidInput(f"{self.repository} is not there, or the token may not see it")
        if answer.status == 410:
            raise InvalidInput(f"{self.repository} has no issues")
        raise InvalidInput(f"GitHub answers {answer.status}: {words}")


def _summary(issue: Any) -> dict[str, Any]:
    number = issue.get("number") if isinstance(issue, dict) else None
    if not isinstance(number, int) or isinstance(number, bool):
        raise Uncertain("GitHub's answer has no issue number")
    return {"number": number, "url": str(issue.get("html_url", ""))[:500]}


def _words(answer: http.Response) -> str:
    try:
        told = json.loads(answer.content)
        words = [str(told["message"])]
        for error in told.get("errors", []):
            if isinstance(error, dict):
                words.append(" ".join(str(error[key]) for key in ("field", "code", "message") if key in error))
        return "; ".join(words)[:300]
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.text()[:100]
