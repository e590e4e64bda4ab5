"""A fresh environment outside the checkout: our wheels, and nothing of ours but them; everything else is borrowed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
OURS = ("coordinator", "session_write_coordinator", "_coordinator", "_session_write_coordinator", "__editable__")


@dataclass(frozen=True)
class Environment:
    """An environment whose working directory and paths know nothing of the checkout."""

    home: Path

    @property
    def python(self) -> Path:
        """Return its interpreter."""
        return self.home / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """Return where its packages are."""
        variables = {"base": str(self.home), "platbase": str(self.home)}
        return Path(sysconfig.get_path("purelib", "venv", vars=variables))

    def environ(self, **more: str) -> dict[str, str]:
        """Return variables that lead nowhere else."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        return {**kept, **more}

    def run(self, code: str) -> str:
        """Run a few lines in it and return what they print."""
        command = [str(self.python), "-W", "error", "-c", code]
        done = subprocess.run(
            command, cwd=self.home, env=self.environ(), capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def build_wheels(directory: Path) -> list[Path]:
    """Build a wheel of each package with the build backend that is here, so that nothing is downloaded."""
    for package in PACKAGES:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
        subprocess.run(command, cwd=package, check=True, capture_output=True, timeout=30)
    return sorted(directory.glob("*.whl"))


def new_environment(home: Path, wheels: list[Path]) -> Environment:
    """Make an environment, install the wheels, and borrow what they need from the environment of the tests."""
    venv.create(home, with_pip=False, symlinks=True)
    environment = Environment(home)
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "--python", str(environment.python), "install", *options, *map(str, wheels)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    borrowed = home / "borrowed"
    borrowed.mkdir()
    for package in sorted(Path(sysconfig.get_path("purelib")).iterdir()):
        if not package.name.startswith(OURS) and package.suffix != ".pth":
            (borrowed / package.name).symlink_to(package)
    (environment.site_packages / "borrowed.pth").write_text(f"{borrowed}\n")
    return environment
