"""GitHub's webhooks: the signature that proves them, and what they become.

Pure. Signature: HMAC-SHA256 of the raw body in ``X-Hub-Signature-256``, compared in constant time (GitHub
documentation, "Validating webhook deliveries"). ``X-GitHub-Delivery`` is the same for a redelivery.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from ingress.events.cloudevent import Published
from ingress.receivers.arrival import NotUnderstood, event, line, object_of, text_of

_PREFIX = "sha256="
_FAILED = frozenset({"failure", "timed_out", "startup_failure", "action_required", "error"})
_SHOWN_COMMITS = 5


def is_signed(body: bytes, signature: str | None, secret: bytes) -> bool:
    """Whether ``signature`` is the header that ``secret`` makes for this body."""
    expected = _PREFIX + hmac.new(secret, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), (signature or "").encode())


def github_event(headers: Mapping[str, str], body: dict[str, Any], *, destination: str | None) -> Published:
    """The event of one delivery; ``headers`` in lower case. Raises ``NotUnderstood`` or ``WrongFields``."""
    name = line(headers.get("x-github-event"), 60)
    if not name:
        raise NotUnderstood("The header X-GitHub-Event is missing.")
    action = text_of(body, "action")
    repository = object_of(body, "repository")
    told = _TELLERS.get(name, _told_plainly)(body)
    sender = text_of(object_of(body, "sender"), "login")
    data = {"repository": text_of(repository, "full_name"), "by": sender, "action": action} | told
    data.setdefault("title", " ".join(filter(None, ("GitHub:", name.replace("_", " "), action))))
    return event(
        type_=".".join(filter(None, ("github", name, action))),
        data={key: value for key, value in data.items() if value not in ("", None)},
        source=text_of(repository, "html_url") or "https://github.com",
        subject=text_of(repository, "full_name"),
        id=line(headers.get("x-github-delivery"), 100) or None,
        destination=destination,
    )


def _told_plainly(_body: dict[str, Any]) -> dict[str, Any]:
    return {}


def _push(body: dict[str, Any]) -> dict[str, Any]:
    commits = [commit for commit in body.get("commits") or [] if isinstance(commit, dict)]
    branch = text_of(body, "ref").removeprefix("refs/heads/").removeprefix("refs/tags/")
    lines = [
        f"{text_of(commit, 'id')[:7]} {line(text_of(commit, 'message').partition(chr(10))[0], 100)}"
        for commit in commits[:_SHOWN_COMMITS]
    ]
    if len(commits) > _SHOWN_COMMITS:
        lines.append(f"… {len(commits) - _SHOWN_COMMITS} more")
    pusher = text_of(object_of(body, "pusher"), "name")
    return {
        "title": f"{pusher or 'Somebody'} pushed {len(commits)} commits to {branch}",
        "message": "\n".join(lines),
        "url": text_of(body, "compare"),
    }


def _titled(holder: str, word: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def told(body: dict[str, Any]) -> dict[str, Any]:
        found = object_of(body, holder)
        number = found.get("number")
        what = f"{word} #{number}" if isinstance(number, int) else word
        action = "merged" if found.get("merged") is True else text_of(body, "action")
        return {
            "title": line(f"{what} {action}: {text_of(found, 'title') or text_of(found, 'name')}", 250),
            "url": text_of(found, "html_url"),
        }

    return told


def _comment(body: dict[str, Any]) -> dict[str, Any]:
    found, issue = object_of(body, "comment"), object_of(body, "issue")
    return {
        "title": line(f"Comment on #{issue.get('number', '?')}: {text_of(issue, 'title')}", 250),
        "message": text_of(found, "body")[:1000],
        "url": text_of(found, "html_url"),
    }


def _run(holder: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def told(body: dict[str, Any]) -> dict[str, Any]:
        found = object_of(body, holder)
        result = text_of(found, "conclusion") or text_of(found, "status")
        return {
            "title": line(f"{text_of(found, 'name') or holder}: {result}", 250),
            "severity": "error" if result in _FAILED else "success" if result == "success" else "info",
            "branch": text_of(found, "head_branch"),
            "url": text_of(found, "html_url"),
        }

    return told


_TELLERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "push": _push,
    "pull_request": _titled("pull_request", "Pull request"),
    "issues": _titled("issue", "Issue"),
    "release": _titled("release", "Release"),
    "issue_comment": _comment,
    "workflow_run": _run("workflow_run"),
    "check_run": _run("check_run"),
    "check_suite": _run("check_suite"),
}
