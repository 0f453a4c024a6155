"""Lessons: from text to notebooks, and to the kit that students get."""
