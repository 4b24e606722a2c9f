"""The models: `create` builds any of them by name, `load_pretrained` gives it trained weights to start from."""

import importlib
import pkgutil

from models.pretrained import check_pretrained, load_pretrained
from models.registry import MODELS, create, find, names, outline, register

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")  # a family registers its models

__all__ = ["MODELS", "check_pretrained", "create", "find", "load_pretrained", "names", "outline", "register"]
