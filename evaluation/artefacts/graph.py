"""What a SavedModel would do when it runs, read from its graph before anything is loaded.

A SavedModel is a program: its graph may read and write files, start TensorFlow's own services
or call Python. A classifier needs none of that.
"""

from __future__ import annotations

import re
from pathlib import Path

from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework import op_def_registry

from common.errors import InputError, disk_errors
from models.keras_file import unreadable

_REACHES_OUT = re.compile(
    "File|PyFunc|Dataset|Iterator|Reader|Summary|Debug|Proto|Remap|Rpc|Remote|Checkpoint|Print|Restore|Save"
    "|ImmutableConst|Sql|DataService|TRTEngine|Collective"
)
# Every other operation that TensorFlow declares stateful acts on the world around it.
_STATEFUL = frozenset(
    [
        "VarHandleOp",
        "ReadVariableOp",
        "AssignVariableOp",
        "AssignAddVariableOp",
        "AssignSubVariableOp",
        "VarIsInitializedOp",
        "ResourceGather",
        "ResourceGatherNd",
        "DestroyResourceOp",
        "Assert",
        "If",
        "While",
        "Case",
        "StatefulPartitionedCall",
        "RandomUniform",
        "RandomStandardNormal",
        "TruncatedNormal",
        "HashTableV2",
        "MutableHashTableV2",
        "LookupTableImportV2",
        "LookupTableFindV2",
        "InitializeTableV2",
    ]
)
# TensorFlow writes these two functions into every SavedModel; only its own saver calls them.
_SAVER = re.compile(r"^__inference__traced_(save|restore)_\d+$")


def check_graph(folder: Path) -> None:
    """Refuse a SavedModel whose graph holds operations on files, processes, networks or Python.

    Raises:
        InputError: naming the operation, or a saved_model.pb that can't be read.
    """
    found = forbidden_operations(folder)
    if found:
        raise InputError(
            f"{folder}: its graph holds {', '.join(found[:5])}, which can reach files, processes or the network: "
            "load it only if you trust whoever made it, with trust=True",
            parameter="trust",
        )


def forbidden_operations(folder: Path) -> list[str]:
    """Names of the operations that a classifier does not need, in alphabetical order.

    Args:
        folder: holds `saved_model.pb`.

    Raises:
        InputError: the file can't be read.
    """
    path, model = folder / "saved_model.pb", SavedModel()
    try:
        with disk_errors(path):
            model.ParseFromString(path.read_bytes())
    except InputError:
        raise
    except Exception as error:
        raise unreadable(folder, error) from error
    found: set[str] = set()
    for graph in model.meta_graphs:
        # Without an object graph TensorFlow 2 runs the main graph's initialisers as TensorFlow 1 did.
        if not graph.object_graph_def.nodes:
            found.add("a graph of TensorFlow 1")
        functions = {function.signature.name: list(function.node_def) for function in graph.graph_def.library.function}
        public = set(graph.object_graph_def.concrete_functions)
        called = {name for nodes in functions.values() for node in nodes for name in _calls(node)}
        for name, nodes in functions.items():
            if not (_SAVER.match(name) and name not in public | called):
                found |= {node.op for node in nodes if node.op not in functions and _is_forbidden(node.op)}
        found |= {node.op for node in graph.graph_def.node if node.op not in functions and _is_forbidden(node.op)}
    return sorted(found)


def _is_forbidden(operation: str) -> bool:
    if _REACHES_OUT.search(operation):
        return True
    definition = op_def_registry.get(operation)
    return definition is None or (definition.is_stateful and operation not in _STATEFUL)


def _calls(node: NodeDef) -> set[str]:
    functions = {node.op}
    for value in node.attr.values():
        functions |= {value.func.name, *(one.name for one in value.list.func)}
    return functions
