"""The rows as a dataset of Ray Data: a reader cuts them into parts, and actors compute these."""

import json
import os
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..failures import explained
from .actor import Assignment, PartActor, block_of_part, end_at_once, fault
from .job import Cluster, Job
from .parts import cut, encode
from .reading import RowReader

if TYPE_CHECKING:
    import pyarrow

_AHEAD = 2  # parts at an actor: the next one is there when it is done with one
_ANY_NUMBER = -1
_NEVER = -1.0


def results(
    assignment: Assignment, cluster: Cluster, memory: int
) -> Generator[dict[str, Any], None, None]:
    """Yield the results of all parts, in the order in which they are done.

    Args:
        assignment: for each actor.
        cluster: who computes.
        memory: bytes that an actor needs.

    Raises:
        ray.exceptions.RayError: Ray could not repair a failure.
    """
    import ray
    import ray.data

    _settle(ray.data.DataContext.get_current())
    rows = ray.data.read_datasource(
        _source(assignment.job, assignment.settings),
        override_num_blocks=1,
        ray_remote_args=on_this_node(),
    )
    cores = int(ray.cluster_resources().get("CPU", 1))
    parts = rows.map_batches(
        PartActor,
        fn_constructor_args=(assignment,),
        batch_size=1,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(
            min_size=1,
            initial_size=cluster.workers or max(cores // cluster.threads, 1),
            max_size=cluster.workers,
            max_tasks_in_flight_per_actor=_AHEAD,
        ),
        num_cpus=cluster.threads,
        memory=memory,
    )
    # Not `iter_batches`, which sends its statistics of all parts so far to another process every
    # few seconds.
    for bundle in parts.iter_internal_ref_bundles():
        for block in ray.get(list(bundle.block_refs)):
            for row in block.to_pylist():
                yield json.loads(row["result"])


def _settle(context: Any) -> None:
    """Let each part be a block of its own, and actors stay."""
    context.target_max_block_size = 1
    context.enable_progress_bars = False
    context.enable_operator_progress_bars = False
    context.max_consecutive_actor_init_deaths = _ANY_NUMBER
    # An actor that has nothing to do for a moment would end, and load the model again later.
    context.autoscaling_config.actor_pool_util_downscaling_threshold = _NEVER


def on_this_node() -> dict[str, Any]:
    """Return how Ray runs what computes nothing here, where a person's files are.

    If this node ends, so does the run.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(here, soft=False)}


def _source(job: Job, settings: Mapping[str, str]) -> Any:
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask

    class Parts(Datasource):  # type: ignore[misc]
        """A single task that reads, so that rows are numbered and cut as they stand."""

        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, *_arguments: Any, **_options: Any) -> list[Any]:
            unknown = BlockMetadata(
                num_rows=None, size_bytes=None, input_files=None, exec_stats=None
            )
            return [ReadTask(lambda: blocks(job, settings), unknown)]

    return Parts()


def blocks(job: Job, settings: Mapping[str, str]) -> Iterator["pyarrow.Table"]:
    """Yield the parts of the input; what ends it too soon comes last, when all before is read."""
    end_at_once()
    os.environ.update(settings)
    number = 0
    try:
        for part in cut(RowReader(job.inputs), job.task.chunk_texts, job.part_rows):
            yield block_of_part(part.number, encode(part))
            number = part.number + 1
    except Exception as error:
        yield block_of_part(number, b"", json.dumps(fault(explained(error)) | {"last": True}))
