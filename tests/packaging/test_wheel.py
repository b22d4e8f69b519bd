"""What `pip install` puts on a machine."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

import dash_statemanager


@pytest.fixture
def installed() -> Distribution:
    """The package as pip installed it from a wheel, and as the tests import it."""
    if not Path(str(dash_statemanager.__file__)).is_relative_to(sysconfig.get_path("purelib")):
        pytest.skip("needs the package installed from its wheel, and no other on the path: tox -e tests")
    return distribution("dash-statemanager")


def test_the_wheel_holds_the_package_its_types_and_its_javascript_and_nothing_else(
    installed: Distribution,
) -> None:
    files = {file.as_posix() for file in installed.files or ()}
    assert "dash_statemanager/py.typed" in files
    assert any(file.startswith("dash_statemanager/static/") and file.endswith(".js") for file in files)
    assert {file.partition("/")[0] for file in files} == {
        "dash_statemanager",
        f"dash_statemanager-{dash_statemanager.__version__}.dist-info",
    }


def test_the_version_is_the_package_s_own(installed: Distribution) -> None:
    assert installed.version == dash_statemanager.__version__


def test_dash_loads_the_package_in_every_app_of_the_environment(installed: Distribution) -> None:
    (hook,) = [entry for entry in installed.entry_points if entry.group == "dash_hooks"]
    assert hook.load() is dash_statemanager


def test_importing_the_package_is_light() -> None:
    code = "import dash_statemanager, sys; print([m for m in ('pandas', 'pyarrow', 'sqlalchemy') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
