"""Scores to a platform that speaks LTI 1.3: its Assignment and Grade Services.

course.toml says where, and which file has the credentials (mode 0600, beside course.toml):

    [lti]
    credentials = "lti.toml"

    [lti.lineitems]
    02_batch_normalization = "https://platform/api/lti/courses/1/line_items/7"

    # lti.toml
    client_id = "10000000000001"
    token_url = "https://platform/login/oauth2/token"
    private_key_file = "lti.pem"     # of this tool, in PEM; mode 0600 too

A student's number at the platform is the column `lti` of roster.csv. What was posted is kept, and
the same score is not posted again.
"""

from __future__ import annotations

import datetime
import json
import stat
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autograder.course.errors import CourseError
from autograder.course.export.marks import Exported, Marks
from autograder.course.folder import Course
from autograder.course.markbook import Line
from autograder.grading.results import write_atomically

SCORE: Final = "https://purl.imsglobal.org/spec/lti-ags/scope/score"
NEEDED = ("client_id", "token_url", "private_key_file")
SECONDS = 20.0  # that the platform has for an answer
EXCUSED: Final = {  # without a score: the platform clears what it had
    "activityProgress": "Submitted",
    "gradingProgress": "NotReady",
    "comment": "excused",
}
OF_ALL = (401, 429)  # statuses that the next score would meet too, as those from 500 on


class NoUse(Exception):
    """The platform takes no score now, whoever's it is; the text says why."""


@dataclass(frozen=True)
class _Due:
    """A score that is not at the platform yet."""

    student: str
    user: str
    score: dict
    kept: Path  # where it is noted once it is posted
    told: bytes


def post(course: Course, marks: Marks) -> Exported:
    """Post the scores of one lesson that are not at the platform yet.

    Ends at the first that the platform refuses for a reason which holds for all. Raises
    `CourseError` when the settings lack something or the platform gives no access.
    """
    item = marks.settings.lti.lineitems.get(marks.lesson)
    if not item:
        raise CourseError(
            f"course.toml names no line item of {marks.lesson}: add it to [lti.lineitems]."
        )
    service = _service(course, marks, item)
    with course.alone_with(marks.lesson):
        due = list(_due(course, marks, item))
        problems = [
            f"{one.student} has no number in the column lti of roster.csv"
            for one in due
            if not one.user
        ]
        due, new = [one for one in due if one.user], 0
        try:
            for one in due:
                if why := _put(service, one):
                    problems.append(f"{one.student}: {why}")
                else:
                    write_atomically(one.kept, one.told)
                    new += 1
        except NoUse as error:
            left = len(due) - due.index(one)
            problems.append(f"{error}: {left} scores were not tried, post again later")
    told = marks.notes("have no score, and one that was posted is cleared")
    notes = (f"{new} scores were posted", *problems, *told)
    return Exported((), notes, len(problems))


def _due(course: Course, marks: Marks, item: str) -> Iterator[_Due]:
    """Scores that are not at the platform yet; who is excused has none, and loses what is there."""
    for student in marks.students:
        user = marks.roster.person(student).lti
        line = marks.line(student, marks.lesson)
        score = EXCUSED if student in marks.excused else line and _score(line)
        kept = course.private / "lti" / marks.lesson / f"{student}.json"
        told = json.dumps([item, user, score]).encode()
        before = kept.read_bytes() if kept.is_file() else None
        if score and told != before and (before or score is not EXCUSED):
            yield _Due(student, user, score, kept, told)


def _score(line: Line) -> dict:
    """What the platform shows of one student; the time is added when it is posted."""
    return {
        "scoreGiven": round(line.final, 4),
        "scoreMaximum": round(line.maximum, 4),
        "activityProgress": "Submitted",
        "gradingProgress": "PendingManual" if line.waiting else "FullyGraded",
        "comment": line.lateness.words,
    }


def _service(course: Course, marks: Marks, item: str):
    """The platform's grade service; asks for access, so that a refusal is said once."""
    from pylti1p3.assignments_grades import AssignmentsGradesService
    from pylti1p3.exception import LtiException
    from pylti1p3.registration import Registration
    from pylti1p3.service_connector import ServiceConnector
    from requests import RequestException, Session

    class Patient(Session):
        """Waits for an answer, and not forever."""

        def request(self, *arguments, **options):
            return super().request(*arguments, **options | {"timeout": SECONDS})

    given = _credentials(course.root / (marks.settings.lti.credentials or "lti.toml"))
    registration = Registration()
    registration.set_client_id(given["client_id"])
    registration.set_auth_token_url(given["token_url"])
    if "audience" in given:
        registration.set_auth_audience(given["audience"])
    registration.set_tool_private_key(given["private_key"])
    connector = ServiceConnector(registration, Patient())
    try:
        connector.get_access_token([SCORE])
    except (LtiException, RequestException, ValueError, KeyError) as error:
        raise CourseError(f"{given['token_url']} gave no access: {_why(error)}") from None
    return AssignmentsGradesService(connector, {"scope": [SCORE], "lineitem": item})


def _put(service, due: _Due) -> str:
    """Post one score; returns why the platform does not take it, or nothing.

    Raises `NoUse` when it would take no other either.
    """
    from pylti1p3.exception import LtiException, LtiServiceException
    from pylti1p3.grade import Grade
    from requests import JSONDecodeError, RequestException

    score, grade = due.score, Grade()
    grade.set_user_id(due.user)
    if "scoreGiven" in score:
        grade.set_score_given(score["scoreGiven"])
        grade.set_score_maximum(score["scoreMaximum"])
    grade.set_activity_progress(score["activityProgress"])
    grade.set_grading_progress(score["gradingProgress"])
    grade.set_comment(score["comment"])
    grade.set_timestamp(datetime.datetime.now(datetime.UTC).isoformat())
    try:
        service.put_grade(grade)
    except JSONDecodeError:  # it was taken, and what was answered is no JSON
        return ""
    except LtiServiceException as error:
        if error.response.status_code in OF_ALL or error.response.status_code >= 500:
            raise NoUse(_why(error)) from None
        return _why(error)
    except RequestException as error:
        raise NoUse(_why(error)) from None
    except (LtiException, ValueError) as error:
        return _why(error)
    return ""


def _why(error: Exception) -> str:
    """Say in a few words what a platform answered, or that it did not."""
    from requests import ConnectionError as Unreachable
    from requests import Timeout

    if isinstance(error, Timeout):
        return f"the platform gave no answer in {SECONDS:g} s"
    if isinstance(error, Unreachable):
        return "the platform cannot be reached"
    answer = getattr(error, "response", None)
    if answer is None:
        return " ".join(str(error).split())[:200] or type(error).__name__
    said = "" if "<" in answer.text else " ".join(answer.text.split())[:100]
    return f"the platform answered {answer.status_code} {answer.reason} {said}".rstrip()


def _credentials(path: Path) -> dict[str, str]:
    """Read the credentials; raises `CourseError` where others could read them too."""
    try:
        found = tomllib.loads(_private(path))
    except tomllib.TOMLDecodeError as error:
        raise CourseError(f"{path} is not TOML: {error}.") from None
    missing = [name for name in NEEDED if not isinstance(found.get(name), str)]
    if missing:
        raise CourseError(f"{path} lacks {', '.join(missing)}: write them as text in quotes.")
    return found | {"private_key": _private(path.parent / found["private_key_file"])}


def _private(path: Path) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise CourseError(f"{path} can be read by others (mode {mode:o}): chmod 600 {path}")
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise CourseError(f"There is no file {path}, which [lti] needs.") from None
    except UnicodeDecodeError:
        raise CourseError(f"{path} is not written in UTF-8: save it as UTF-8.") from None
