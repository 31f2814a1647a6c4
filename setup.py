"""Builds the engine, the only compiled part; everything else stands in pyproject.toml.

Called by pip and by `python setup.py build_ext --inplace`. Promises: plain x86-64 code (a wheel
runs everywhere), rebuilt only when a source of the engine changed; the build fails on Cython's
performance hints, because a `cdef` function that can raise costs ten times what an order takes.
Environment: QUORATE_DEBUG=1 builds with all checks on and a walk after every command;
QUORATE_SANITIZE=1 builds for scripts/sanitize: what the compiler's sanitizers see, aborts.
"""

import contextlib
import io
import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CORE = Path("oms/_core")
IS_DEBUG = os.environ.get("QUORATE_DEBUG", "") not in ("", "0")
IS_SANITIZED = os.environ.get("QUORATE_SANITIZE", "") not in ("", "0")
KIND = "sanitized" if IS_SANITIZED else "debug" if IS_DEBUG else "release"
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": IS_DEBUG,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": IS_DEBUG,
    "embedsignature": False,
    "show_performance_hints": True,
    "auto_pickle": False,
    "autotestdict": False,
}
# Records are read as structures and as words (digest, snapshot): no strict aliasing. Fields that
# were written one by one are not read back as vectors: that stalls (4 ns of 70 on `exch`).
FLAGS = ["-fno-strict-aliasing", "-fno-tree-slp-vectorize"]
# gcc stops inlining when a file has grown by so much, and counts the cold paths with the hot one:
# without these, every new kind of order takes functions out of line that all orders call.
INLINING = ["--param", "inline-unit-growth=200", "--param", "large-function-growth=1000"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
OPTIMIZING = {
    "release": ["-O3", "-g0"],
    "debug": ["-O1", "-g"],
    "sanitized": ["-O1", "-g", "-fno-omit-frame-pointer", *SANITIZERS],
}
WARNINGS = ["-Wall", "-Wextra", "-Wno-unused-function", "-Wno-unused-parameter"]


class BuildEngine(build_ext):
    """Translates to C only when it is built at all, and not with hints left."""

    def finalize_options(self) -> None:
        """Cython first: it decides which C files there are."""
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                self.distribution.ext_modules = cythonize(
                    self.distribution.ext_modules,
                    compiler_directives=DIRECTIVES,
                    emit_linenums=IS_DEBUG,
                    force=True if IS_DEBUG else None,
                )
        finally:
            sys.stderr.write(said.getvalue())
        if "performance hint" in said.getvalue():
            for extension in self.distribution.ext_modules:
                for source in extension.sources:
                    Path(source).unlink(missing_ok=True)  # so that the next build says it again
            sys.exit("setup.py: the engine has performance hints, see above")
        super().finalize_options()

    def run(self) -> None:
        """A build of the other kind in the same place is no build of this kind."""
        mark = Path(self.build_temp) / "kind"
        if not mark.exists() or mark.read_text() != KIND:
            self.force = True
        super().run()
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(KIND)


ENGINE = Extension(
    "oms._core.engine",
    [str(CORE / "engine.pyx")],
    include_dirs=[str(CORE)],
    depends=[str(path) for path in sorted(CORE.glob("*.pxd"))]
    + [str(path) for path in sorted(CORE.glob("*.h"))],
    define_macros=[("QUORATE_DEBUG", "1")] if IS_DEBUG else [("NDEBUG", None)],
    extra_compile_args=[
        *OPTIMIZING[KIND],
        *FLAGS,
        *INLINING,
        *WARNINGS,
    ],
    extra_link_args=SANITIZERS if IS_SANITIZED else [],
)

setup(ext_modules=[ENGINE], cmdclass={"build_ext": BuildEngine})
