"""Large arguments, on the parent's side: one anonymous file for all workers of an executor.

The file has no name: nothing to unlink, and the kernel frees it with its last user, whatever
happens. It is sparse: a region of it costs memory only once something was written there, and no
longer once it was given back.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import suppress
from pickle import PickleBuffer
from typing import Any

from . import _ledger, _parcel
from ._parcel import BYTES, OWN, SHARED, Place
from ._sent import Region, Sent, nobody, note, sample_of, send

# Regions that nobody uses are kept, up to so many bytes: memory that was written before is filled
# ten times as fast.
_SPARE = 512 << 20
_SPARES = 256

_EMPTIES = 1024

# So much of the file is mapped here: addresses, not memory. One mapping, as each holds a descriptor
# before Python 3.13.
_WINDOW = 1 << 30

_PAGE = mmap.ALLOCATIONGRANULARITY
_AROUND = 16 * _PAGE


class Hold:
    """Keeps regions as they are until a flight's worker has let go of them."""

    __slots__ = ("_regions", "_store", "places")

    def __init__(self, store: Store) -> None:
        self.places: list[Place] = []
        self._store = store
        self._regions: list[Region] = []

    def add(self, region: Region, size: int, kind: int) -> None:
        """Hold a region too."""
        self._regions.append(region)
        self.places.append(Place(region.offset, size, region.room, kind))

    def release(self) -> None:
        """The regions may be used for something else."""
        regions, self._regions = self._regions, []
        if regions:
            self._store.take_back(regions)

    __del__ = release  # a flight that was never given to a worker


class Store:
    """The regions of one executor.

    Attributes:
        copied: how many bytes of arguments were copied here so far.
    """

    def __init__(self) -> None:
        self.copied = 0
        self._fd = -1
        self._end = 0
        self._pid = os.getpid()
        self._seats = 0
        self._users = 0
        self._closing = False
        self._lock = threading.Lock()
        self._window: mmap.mmap | None = None
        self._spare: list[Region] = []  # with memory
        self._empty: list[Region] = []  # without
        # Garbage collection may drop a hold at any moment, also of a thread that has the lock.
        self._returned: deque[Region] = deque()

    # ---- the seats that read it -----------------------------------------------------------------

    def enter(self) -> _ledger.Descriptor:
        """A worker starts: what it is given to read the file by."""
        with self._lock:
            self._seats += 1
            return _ledger.Descriptor(os.dup(self._file()))

    def leave(self) -> None:
        """A worker has ended."""
        with self._lock:
            self._seats -= 1
            self._drain()
        self._settle()

    def close(self) -> None:
        """Let all memory go, as soon as no worker and no flight is left that needs it."""
        if os.getpid() != self._pid:  # a forked child's copy, its lock as it was then
            return
        with self._lock:
            self._closing = True
            self._drain()
        self._settle()

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if self._fd >= 0:  # perhaps as the interpreter ends, when modules are empty already
            close(self._fd)

    # ---- giving and taking ----------------------------------------------------------------------

    def place(
        self,
        buffers: Sequence[PickleBuffer],
        tasks: Iterable[int],
        known: dict[int, Sent],
        repeated: Container[int],
    ) -> Hold:
        """Copy what was left out of a pickle to where workers can read it.

        Args:
            buffers: what was left out, in order.
            tasks: the tasks of the batch, by their index in the run.
            known: what the run has sent so far; it is not copied again.
            repeated: the `id`s of owners whose memory goes to more than one task.

        Raises:
            OSError: there is no memory, or no descriptor.
        """
        hold = Hold(self)
        with self._lock:
            self._drain()
            for buffer in buffers:
                self._place(buffer, hold, tasks, known, repeated)
        self._settle()
        return hold

    def _place(
        self,
        buffer: PickleBuffer,
        hold: Hold,
        tasks: Iterable[int],
        known: dict[int, Sent],
        repeated: Container[int],
    ) -> None:
        source = _parcel.source(buffer)
        owner = _parcel.owner(source)
        key = id(owner)
        with buffer.raw() as view:
            sample, sent = sample_of(view), known.get(key)
            if sent is None or not sent.is_still(owner, sample):
                region = self._region(view.nbytes, owner)
                self._copy(view, region)
                sent = send(owner, sample, region, frozenset(tasks), key in repeated)
                note(known, key, sent)
            else:
                if not sent.region.users:
                    self._spare.remove(sent.region)
                sent.goes_to(tasks)
            kind = BYTES if type(source) is bytes else SHARED if sent.shared else OWN
            self._use(sent.region, view.nbytes, hold, kind)

    def _copy(self, view: memoryview, region: Region) -> None:
        region.fills += 1
        region.owner = nobody
        try:
            self._fill(region, view)
        except BaseException:
            self._spare.append(region)
            raise
        self.copied += view.nbytes

    def _use(self, region: Region, size: int, hold: Hold, kind: int) -> None:
        region.users += 1
        self._users += 1
        hold.add(region, size, kind)

    def _region(self, size: int, owner: Any) -> Region:
        """A region that is free; best the one that had the same owner's memory before."""

        def rank(region: Region) -> tuple[bool, bool, int]:
            had = region.owner()
            return had is not owner, had is not None, region.room

        for regions in (self._spare, self._empty):
            fits = [one for one in regions if size <= one.room <= 2 * size + (1 << 20)]
            if fits:
                region = min(fits, key=rank)
                regions.remove(region)
                return region
        room = -(-size // _PAGE) * _PAGE
        fd = self._file()
        if self._end + room > os.fstat(fd).st_size:
            os.ftruncate(fd, self._end + room)
        region = Region(self._end, room)
        self._end += room
        return region

    def _fill(self, region: Region, view: memoryview) -> None:
        """Copy: through the window where there is memory, else by the kernel, which adds it.

        The window is quicker where it was written before, and slower elsewhere; and where memory
        runs out, only a system call reports that instead of killing the process.
        """
        at, done = region.offset, 0
        if self._window is not None and at + region.room <= len(self._window):
            done = min(region.filled, view.nbytes)
            # To read it maps many pages at a time where to write maps one.
            self._window[at : at + done : _AROUND]
            self._window[at : at + done] = view[:done]
        _parcel.write(self._fd, view[done:], at + done)
        region.filled = max(region.filled, view.nbytes)

    def _file(self) -> int:
        if self._fd < 0:
            self._fd = _ledger.anonymous_file()
            with suppress(OSError):  # there may be limits to the size of files, or to addresses
                os.ftruncate(self._fd, _WINDOW)
                self._window = mmap.mmap(self._fd, _WINDOW)
        return self._fd

    def take_back(self, regions: list[Region]) -> None:
        """These are used once less; never waits."""
        self._returned.extend(regions)
        self._settle()

    def _settle(self) -> None:
        """Take in what was returned, unless another thread has the lock: it does so afterwards."""
        while self._returned and self._lock.acquire(blocking=False):
            try:
                self._drain()
            finally:
                self._lock.release()

    def _drain(self) -> None:
        while self._returned:
            region = self._returned.popleft()
            region.users -= 1
            self._users -= 1
            if not region.users:
                self._spare.append(region)
        if self._closing and not (self._seats or self._users) and self._fd >= 0:
            self._spare.clear()
            self._empty.clear()
            if self._window is not None:
                self._window.close()
                self._window = None
            os.close(self._fd)
            self._fd, self._end = -1, 0

    def trim(self) -> None:
        """Give back the memory of what has been unused for longest, if it is much."""
        with self._lock:
            self._drain()
            spare = sum(region.room for region in self._spare)
            while self._spare and (spare > _SPARE or len(self._spare) > _SPARES):
                if not self._give_back(self._spare[0]):
                    break
                self._empty.append(self._spare.pop(0))
                spare -= self._empty[-1].room
            del self._empty[:-_EMPTIES]
        self._settle()

    def _give_back(self, region: Region) -> bool:
        """Give the memory of a region back to the system; workers may still have it mapped."""
        if not hasattr(mmap, "MADV_REMOVE"):
            return False
        try:
            with mmap.mmap(self._fd, region.room, offset=region.offset) as mapping:
                mapping.madvise(mmap.MADV_REMOVE)
        except OSError:
            return False
        region.filled = 0
        region.fills += 1
        region.owner = nobody
        return True
