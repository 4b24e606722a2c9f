"""Checks of recordings before they are used: gaze drawn on frames, and numbers that show a wrong alignment."""

from data.checks.overlay import check_recordings

__all__ = ["check_recordings"]
