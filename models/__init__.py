"""The models: `create` builds any of them by name, `load_pretrained` gives it trained weights to start from."""

from models.pretrained import check_pretrained, load_pretrained
from models.registry import MODELS, create, find, names, outline

__all__ = ["MODELS", "check_pretrained", "create", "find", "load_pretrained", "names", "outline"]
