"""What a forgetful file system answers to a command: one line of JSON.

Called by both ends, `forgetful_fs.py` and `forgetful_disk.py`.
"""

import msgspec


class DiskAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counts where the command has any; `error` is empty when it was done."""

    error: str = ""
    sectors: int = 0  # unsynced ones, of files that have a synced name
    names: int = 0  # unsynced changes of names
    syncs: int = 0  # that were asked for and are not answered
    kept_sectors: int = 0  # of those: on the disk nevertheless, after a cut
    kept_names: int = 0
