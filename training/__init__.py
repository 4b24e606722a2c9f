"""The three stages of a run: teacher, student, int8."""
