"""Who may write into a run folder, and how a new run replaces an old one."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tfpipeline.core import disk, file_io, staging
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import LOCK, RunFolder


def new_run(workdir: str | None, *, overwrite: bool) -> RunFolder:
    """Return the folder for a new run, if it may be written there."""
    folder = RunFolder(Path(workdir) if workdir else fresh())
    file_io.check_writable(folder.path)
    folder.check_free(overwrite=overwrite)
    return folder


def fresh() -> Path:
    """Return ``runs/<date>-<time>``, to the microsecond: several may be started."""
    return Path("runs") / datetime.now().strftime("%Y%m%d-%H%M%S-%f")


@contextlib.contextmanager
def claimed(
    run: RunFolder, *, overwrite: bool = False, writes: bool = True
) -> Iterator[None]:
    """Make a run folder, and keep other processes from it until the block ends.

    What a process that was killed has begun there is ended before the block begins.
    Afterwards a folder that was made for it and is still empty is removed. A process
    that only reads (`writes` is False) claims nothing.
    """
    if not writes:
        yield
        return
    new = [folder for folder in (run.path, *run.path.parents) if not folder.exists()]
    with contextlib.ExitStack() as stack:
        for folder in reversed(new):
            stack.callback(_remove_empty, folder)
        try:
            run.path.mkdir(parents=True, exist_ok=True)
            stack.enter_context(staging.locked(run.path / LOCK, waits=False))
        except BlockingIOError:
            raise UserError(
                f"{run.path}: another training writes into this folder. Wait for it, "
                "or name another --workdir."
            ) from None
        except OSError as error:
            raise UserError(
                f"{run.path}: cannot be made or locked: {error.strerror}. Name another "
                "--workdir, on another drive."
            ) from None
        run.check_own()
        _recover(run)
        run.check_free(overwrite=overwrite)
        yield


def publish(run: RunFolder, staged: RunFolder) -> None:
    """Put a run that is whole in the place of the one that stands in a folder.

    Interrupted anywhere and done again, it comes to the same end: what lies in `staged`
    has yet to be moved, and the model, which is moved first, tells whether what stands
    in the folder is still of the old run.

    Args:
        run: The folder, claimed.
        staged: What its `staged` returned before the new run began.
    """
    if staged.path == run.path:
        return
    run.manifest.unlink(missing_ok=True)
    if staged.model.is_file():
        # What it went on from is not part of a run that is whole.
        _remove(staged.checkpoints)
        for old in run.replaced:
            _remove(old)
    order = {staged.model: 0, staged.manifest: 2}
    for entry in sorted(staged.path.iterdir(), key=lambda entry: order.get(entry, 1)):
        if entry.is_dir():
            _remove(run.path / entry.name)
        os.replace(entry, run.path / entry.name)
    staged.path.rmdir()
    disk.sync(run.path)


def _recover(run: RunFolder) -> None:
    """End what a process that was killed has begun in a folder."""
    disk.sweep(run.path)
    if run.is_half_published():
        publish(run, run.next)
    if run.is_finished():
        _remove(run.checkpoints)
        _remove_empty(run.next.path)


def _remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, where it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
