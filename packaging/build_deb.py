"""Builds the Debian package: the cart's part with all it needs, in a virtual environment under /opt/sonocart.

The environment uses the target's own Python, so one machine packages for another: wheels are chosen by
platform and Python version, and nothing of the target runs here.

  python packaging/build_deb.py                                        for this architecture, Debian 12
  python packaging/build_deb.py --arch arm64 --python 3.10 --system-site-packages     a Jetson with JetPack 6
"""

from __future__ import annotations

import argparse
import compileall
import py_compile
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
GLIBC = range(35, 16, -1)  # 2.35 is JetPack 6's
SYSTEMD = {
    "sonocart.service": "usr/lib/systemd/system/sonocart.service",
    "sonocart.sysusers": "usr/lib/sysusers.d/sonocart.conf",
    "sonocart.tmpfiles": "usr/lib/tmpfiles.d/sonocart.conf",
    "60-sonocart.rules": "usr/lib/udev/rules.d/60-sonocart.rules",
    "watchdog.conf": "usr/lib/systemd/system.conf.d/60-sonocart-watchdog.conf",
    "backoff.conf": "usr/share/sonocart/backoff.conf",
    "jetson.conf": "usr/share/sonocart/jetson.conf",
    "card-bound.conf": "usr/share/sonocart/card-bound.conf",
}
DOCUMENTS = (
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE",
    "docs/AT-THE-CART.md",
    "docs/TECHNICIAN.md",
    "docs/grafana-sonocart.json",
)
# The last seven are what OpenCV's wheel expects of the system.
DEPENDS = "libc6 (>= 2.31), systemd, udev, libgl1, libglib2.0-0, libice6, libsm6, libx11-6, libxcb1, libxext6"
CONTROL = """\
Package: sonocart
Version: {version}
Architecture: {arch}
Maintainer: the sonocart developers <root@localhost>
Section: video
Priority: optional
Installed-Size: {kilobytes}
Depends: python3 (>= {python}), python3 (<< {next_python}~), {depends}
Recommends: libsdl2-2.0-0
Description: live risk overlay for ultrasound carts (research use only)
 Grabs a scanner's live picture, runs a network on it and draws the risk with its interval, its age and
 its reason when it says nothing. Not a medical device.
"""
STARTER = """\
#!/opt/sonocart/bin/python3
from edge.cli import entry

entry()
"""


def main() -> int:
    """Build and print the package's path."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", choices=MACHINES, default=_native())
    parser.add_argument("--python", default="3.11", help="of the target, default 3.11 (Debian 12)")
    parser.add_argument("--system-site-packages", action="store_true", help="for JetPack's own TensorRT")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--version", help="of the package; default: the project's")
    args = parser.parse_args()
    version = args.version or tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    args.out.mkdir(parents=True, exist_ok=True)
    package = args.out / f"sonocart_{version}_{args.arch}.deb"
    with tempfile.TemporaryDirectory(prefix="sonocart-deb-") as folder:
        tree = Path(folder) / "tree"
        _environment(tree / "opt/sonocart", args, Path(folder))
        _files(tree)
        _control(tree, version, args)
        command = ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z3", "--build", str(tree), str(package)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    print(package)
    return 0


def _environment(home: Path, args: argparse.Namespace, scratch: Path) -> None:
    """What `python3 -m venv` and pip would make on the target."""
    site = home / f"lib/python{args.python}/site-packages"
    site.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(scratch), str(ROOT)], check=True)
    (wheel,) = scratch.glob("sonocart-*.whl")
    # pip judges markers by the Python that runs it, not by the target's.
    older = ["tomli>=2"] if tuple(map(int, args.python.split("."))) < (3, 11) else []
    command = [*pip, "install", "--target", str(site), "--no-compile", "--only-binary=:all:"]
    command += ["--implementation=cp", f"--python-version={args.python}"]
    machine = MACHINES[args.arch]
    command += [f"--platform=manylinux_2_{minor}_{machine}" for minor in GLIBC]
    command += [f"--platform=manylinux2014_{machine}", "-c", str(ROOT / "constraints.txt")]
    subprocess.run([*command, f"{wheel}[dicom,screen]", *older], check=True)
    shutil.rmtree(site / "bin", ignore_errors=True)
    if f"{sys.version_info.major}.{sys.version_info.minor}" == args.python:
        # Without time stamps: what is compiled here is valid wherever it is unpacked, and never rewritten.
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        target = f"/opt/sonocart/lib/python{args.python}/site-packages"
        compileall.compile_dir(site, quiet=2, invalidation_mode=mode, stripdir=site, prependdir=target)
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = {str(args.system_site_packages).lower()}\n"
        f"version = {args.python}\n"
    )
    (home / "bin").mkdir()
    (home / "bin/python3").symlink_to(f"/usr/bin/python{args.python}")
    (home / "bin/sonocart").write_text(STARTER)
    (home / "bin/sonocart").chmod(0o755)


def _files(tree: Path) -> None:
    for name, place in SYSTEMD.items():
        _copy(ROOT / "systemd" / name, tree / place)
    for name in DOCUMENTS:
        _copy(ROOT / name, tree / "usr/share/doc/sonocart" / name)
    _copy(ROOT / "packaging/sonocart.toml", tree / "etc/sonocart/sonocart.toml")
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/sonocart").symlink_to("/opt/sonocart/bin/sonocart")


def _control(tree: Path, version: str, args: argparse.Namespace) -> None:
    folder = tree / "DEBIAN"
    folder.mkdir()
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    major, minor = args.python.split(".")
    (folder / "control").write_text(
        CONTROL.format(
            version=version,
            arch=args.arch,
            kilobytes=size // 1024,
            python=args.python,
            depends=DEPENDS,
            next_python=f"{major}.{int(minor) + 1}",
        )
    )
    (folder / "conffiles").write_text("/etc/sonocart/sonocart.toml\n")
    for name in ("postinst", "prerm", "postrm"):
        shutil.copy(ROOT / "packaging" / name, folder / name)
        (folder / name).chmod(0o755)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _native() -> str:
    return subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
