"""Move nbgrader's gradebook to another database: SQLite for one grader, PostgreSQL for many."""

from __future__ import annotations

from nbgrader.api import Base, Gradebook
from sqlalchemy import Connection, create_engine, func, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from autograder.course.errors import CourseError
from autograder.course.folder import Course
from autograder.course.gradebook import line_of
from autograder.course.nbgrader_api import NbgraderCourse, add_indexes, quiet

ROWS = 1000  # that are copied at a time


def move_gradebook(course: Course, url: str) -> dict[str, int]:
    """Copy every row of a course's gradebook to an empty database; returns rows by table.

    The old gradebook stays as it is, and in use until nbgrader_config.py names the new one.

    Args:
        url: as postgresql+psycopg://USER@HOST/DATABASE.

    Raises `CourseError` when the database cannot be reached, or has submissions already.
    """
    coursedir = NbgraderCourse(course.root).coursedir
    try:
        name = make_url(url).render_as_string(hide_password=True)
        if make_url(url) == make_url(coursedir.db_url).set(query={}):
            raise CourseError(f"{name} is the gradebook that the course has already.")
        with quiet():
            Gradebook(url, coursedir.course_id).close()  # makes the tables, with their version
            old, new = create_engine(coursedir.db_url), create_engine(url)
            try:
                add_indexes(new)
                with old.connect() as source, new.begin() as target:
                    return _copy(source, target, name)
            finally:
                old.dispose()
                new.dispose()
    except ArgumentError:
        raise CourseError(
            "This is no address of a database: name one as postgresql+psycopg://USER@HOST/DATABASE."
        ) from None
    except SQLAlchemyError as error:
        raise CourseError(f"{name}: {line_of(error)}. The gradebook is where it was.") from None


def _copy(source: Connection, target: Connection, name: str) -> dict[str, int]:
    """Copy all tables in the order in which rows refer to each other; all of it or nothing."""
    tables = Base.metadata.sorted_tables
    if any(_count(target, table) for table in tables if table.name != "course"):
        raise CourseError(f"{name} holds a gradebook already: name an empty database.")
    target.execute(Base.metadata.tables["course"].delete())  # the one that nbgrader just made
    for table in tables:
        for rows in source.execute(select(table)).mappings().partitions(ROWS):
            target.execute(table.insert(), [dict(row) for row in rows])
    counts = {table.name: _count(target, table) for table in tables}
    if counts != {table.name: _count(source, table) for table in tables}:
        raise CourseError("The gradebook was written to meanwhile: stop graders, and try again.")
    return counts


def _count(connection: Connection, table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0
