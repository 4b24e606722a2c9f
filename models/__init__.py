"""The models: `create` builds any of them by name."""

from models.registry import MODELS, create, find, names

__all__ = ["MODELS", "create", "find", "names"]
