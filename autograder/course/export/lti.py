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
from pathlib import Path
from typing import Final

from autograder.course.errors import CourseError
from autograder.course.export.marks import Exported, Marks
from autograder.course.folder import Course
from autograder.course.markbook import Line
from autograder.grading.results import write_atomically

SCORE: Final = "https://purl.imsglobal.org/spec/lti-ags/scope/score"
NEEDED = ("client_id", "token_url", "private_key_file")


def post(course: Course, marks: Marks) -> Exported:
    """Post the scores of one lesson that are not at the platform yet.

    Raises `CourseError` when the settings lack something or the platform gives no access.
    """
    item = marks.settings.lti.lineitems.get(marks.lesson)
    if not item:
        raise CourseError(
            f"course.toml names no line item of {marks.lesson}: add it to [lti.lineitems]."
        )
    service = _service(course, marks, item)
    with course.alone_with(marks.lesson):
        new, problems = 0, []
        for line in (one for one in marks.lines if one.lesson == marks.lesson):
            user = marks.roster.person(line.student).lti
            kept = course.private / "lti" / marks.lesson / f"{line.student}.json"
            score = _score(line)
            told = json.dumps([item, user, score]).encode()
            if not user:
                problems.append(f"{line.student} has no number in the column lti of roster.csv")
            elif kept.is_file() and kept.read_bytes() == told:
                continue
            elif why := _put(service, user, score):
                problems.append(f"{line.student}: {why}")
            else:
                write_atomically(kept, told)
                new += 1
    return Exported((), (f"{new} scores were posted", *problems), len(problems))


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
    from requests import RequestException

    given = _credentials(course.root / (marks.settings.lti.credentials or "lti.toml"))
    registration = Registration()
    registration.set_client_id(given["client_id"])
    registration.set_auth_token_url(given["token_url"])
    if "audience" in given:
        registration.set_auth_audience(given["audience"])
    registration.set_tool_private_key(given["private_key"])
    connector = ServiceConnector(registration)
    try:
        connector.get_access_token([SCORE])
    except (LtiException, RequestException, ValueError, KeyError) as error:
        raise CourseError(f"{given['token_url']} gave no access: {_line(error)}") from None
    return AssignmentsGradesService(connector, {"scope": [SCORE], "lineitem": item})


def _put(service, user: str, score: dict) -> str:
    """Post one score; returns why that was not possible, or nothing."""
    from pylti1p3.exception import LtiException
    from pylti1p3.grade import Grade
    from requests import RequestException

    grade = Grade()
    grade.set_user_id(user)
    grade.set_score_given(score["scoreGiven"])
    grade.set_score_maximum(score["scoreMaximum"])
    grade.set_activity_progress(score["activityProgress"])
    grade.set_grading_progress(score["gradingProgress"])
    grade.set_comment(score["comment"])
    grade.set_timestamp(datetime.datetime.now(datetime.UTC).isoformat())
    try:
        service.put_grade(grade)
    except (LtiException, RequestException, ValueError) as error:
        return _line(error)
    return ""


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


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
