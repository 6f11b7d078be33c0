"""Pack Ringmill for a cluster: pack.py OUT WORK, as scripts/package calls it, by the Python that bootstrap made."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pyspark

ROOT = Path(__file__).resolve().parents[1]
LIB = ROOT / "lib"
LOCK = LIB / "ringmill" / "requirements.txt"
JARS = ROOT / "scripts" / "lock" / "jars.sha256"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
# Of the standard library, what a cluster never imports; installed packages are the lock's, not this interpreter's.
NOT_OURS = ("site-packages", "dist-packages", "test", "idlelib", "tkinter", "turtledemo", "ensurepip", "config-*")
# Python finds its home by its own path; a shared libpython has to be told where that is.
LAUNCHER = f"""#!/bin/sh
bin=$(dirname "$(readlink -f "$0")")
LD_LIBRARY_PATH="$bin/../lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}" exec "$bin/{PYTHON}" "$@"
"""
# Some distributions' Python looks elsewhere for packages when it is no virtual environment.
SITE = "import site\nfrom pathlib import Path\n\nsite.addsitedir(str(Path(__file__).with_name('site-packages')))\n"
EPOCH = (1980, 1, 1, 0, 0, 0)


def main(out: Path, work: Path) -> None:
    print(pack_code(out))
    print(pack_environment(out, work))
    for jar in copy_jars(out):
        print(jar)


def pack_code(out: Path) -> Path:
    """ringmill-VERSION.zip with the package at its root: the same bytes from the same sources."""
    sys.path.insert(0, str(LIB))
    from ringmill import __version__

    target = out / f"ringmill-{__version__}.zip"
    part = target.with_suffix(".part")
    files = sorted(path for path in (LIB / "ringmill").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(LIB).as_posix(), EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    part.replace(target)
    return target


def pack_environment(out: Path, work: Path) -> Path:
    """environment.tar.gz: this Python and the locked packages, which run wherever it is unpacked.

    What it was made of stands beside it, in environment.sha256; as long as that is the same, it is left as it is.
    """
    target, stamp = out / "environment.tar.gz", out / "environment.sha256"
    made_of = _made_of()
    if target.exists() and stamp.exists() and stamp.read_text() == made_of:
        return target
    stamp.unlink(missing_ok=True)
    home = work / "environment"
    library = home / "lib" / PYTHON
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=shutil.ignore_patterns(*NOT_OURS))
    (library / "sitecustomize.py").unlink(missing_ok=True)
    (library / "sitecustomize.py").write_text(SITE)
    _install(library / "site-packages")
    _put_python(home)
    part = target.with_name("environment.part")
    # Level 1: a tenth larger than the default's, in a third of its time.
    with gzip.GzipFile(part, "wb", compresslevel=1, mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w|") as tar:
        for path in sorted(home.iterdir()):
            tar.add(path, path.name)
    part.replace(target)
    stamp.write_text(made_of)
    return target


def copy_jars(out: Path) -> list[Path]:
    """Delta's JARs, whose hashes bootstrap has compared."""
    folder = out / "jars"
    folder.mkdir(exist_ok=True)
    copied = []
    for line in JARS.read_text().splitlines():
        name = line.split()[1]
        copied.append(Path(shutil.copy2(Path(pyspark.__path__[0]) / "jars" / name, folder / name)))
    return copied


def _made_of() -> str:
    hasher = hashlib.sha256(LOCK.read_bytes() + Path(__file__).read_bytes() + sys.version.encode())
    for built in sorted(_horovod().rglob("*.so")):
        hasher.update(built.read_bytes())
    return hasher.hexdigest()


def _horovod() -> Path:
    return Path(sysconfig.get_path("platlib")) / "horovod"


def _install(packages: Path) -> None:
    """The locked packages from where they lie in uv's cache, and the Horovod that was built and proved here."""
    command = [os.environ["UV"], "pip", "install", "-q", "--python", sys.executable, "--target", str(packages)]
    subprocess.run([*command, "--require-hashes", "-r", str(LOCK)], check=True)
    for name in ("pyspark", "bin", *(path.name for path in packages.glob("pyspark-*.dist-info"))):
        shutil.rmtree(packages / name, ignore_errors=True)
    installed = _horovod()
    for path in (installed, *installed.parent.glob("horovod-*.dist-info")):
        shutil.copytree(path, packages / path.name, ignore=shutil.ignore_patterns("__pycache__"))


def _put_python(home: Path) -> None:
    folder = home / "bin"
    folder.mkdir()
    shutil.copy2(Path(sys.executable).resolve(), folder / PYTHON)
    for name in ("python", "python3"):
        (folder / name).write_text(LAUNCHER)
        (folder / name).chmod(0o755)
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        shared = sysconfig.get_config_var("INSTSONAME")
        shutil.copy2(Path(sysconfig.get_config_var("LIBDIR")) / shared, home / "lib" / shared)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute())
