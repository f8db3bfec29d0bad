"""How much of two processors pure Python gets when all tasks are of one size."""

from harness.model import SECONDS, Scenario, expect
from work import SPINS_PER_SECOND, spin

from . import _clusters as clusters
from . import _processes as ways

TURNS = SPINS_PER_SECOND // 20


def _turns(tasks: int) -> list[int]:
    return [TURNS] * tasks


CPU = Scenario(
    name="cpu",
    title="64 tasks of about 50 ms of pure Python on 2 warm processes",
    metric=SECONDS,
    tasks=64,
    quick_tasks=8,
    warm_up=2,
    check=expect(lambda tasks: [spin(TURNS)] * tasks),
    reference="two bare workers",
    contenders=(
        ways.OURS.contender(spin, _turns),
        ways.POOL_MAP.contender(spin, _turns),
        ways.POOL_MAP_SINGLY.contender(spin, _turns),
        ways.EXECUTOR_MAP.contender(spin, _turns),
        ways.LOKY.contender(spin, _turns),
        ways.JOBLIB.contender(spin, _turns),
        ways.PEBBLE.contender(spin, _turns),
        ways.MPIRE.contender(spin, _turns),
        ways.STREAMABLE.contender(spin, _turns),
        ways.ANYIO.contender(spin, _turns),
        clusters.DASK_MAP.contender(spin, _turns),
        clusters.RAY.contender(spin, _turns),
        ways.BARE_HALVES.contender(spin, _turns),
        ways.LOOP.contender(spin, _turns),
    ),
)

SCENARIOS = (CPU,)
