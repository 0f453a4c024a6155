"""The lessons of the course, read once by a process, however many tests ask."""

from functools import cache

from autograder.lessons.lesson import all_lessons as read

all_lessons = cache(read)
