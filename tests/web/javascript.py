"""Runs a few lines of JavaScript on the page's modules, in Node.js, which reads them as they are."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

WEB = Path(__file__).resolve().parents[2] / "web"


def run(code, data):
    """What `code` gives for `data`, both as JSON; `code` is the body of a function of `data`.

    Modules are imported by `await load("frames/area.js")`, and `bytes(text)` unpacks what `pack` has packed.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("the page's modules need Node.js, and no `node` is installed")
    program = f"""
        import {{ readFileSync }} from "node:fs";
        const load = (name) => import("{(WEB / "src").as_uri()}/" + name);
        const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
        const pack = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");
        const body = async (data) => {{ {code} }};
        console.log(JSON.stringify(await body(JSON.parse(readFileSync(0, "utf8")))));
    """
    words = [node, "--input-type=module", "--eval", program]
    done = subprocess.run(words, input=json.dumps(data), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def pack(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def unpack(text, shape):
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape)
