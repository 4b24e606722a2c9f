import common.quiet  # noqa: F401  isort: skip

import pytest

from deployment.bundle import ExportConfig, export_bundle
from tests.deployment.bundle import tiny_run


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return tiny_run.write_data(tmp_path_factory.mktemp("shapes") / "data")


@pytest.fixture(scope="session")
def run(data, tmp_path_factory):
    """A run folder; read only."""
    return tiny_run.write_run(tmp_path_factory.mktemp("run") / "run", data)


@pytest.fixture(scope="session")
def bundle(run, tmp_path_factory):
    """Its bundle, with everything measured but the latency; read only."""
    out = tmp_path_factory.mktemp("bundle") / "bundle"
    with pytest.MonkeyPatch.context() as patch:
        timed = {"median": 0.25, "p95": 0.5, "runs": 10}
        patch.setattr("evaluation.report.measure_latency", lambda paths, **_: [timed] * len(paths))
        return export_bundle(ExportConfig(run, out, licence="CC0 1.0", contact="who@example.org"))
