"""Work done in threads, a little ahead of where its results are used, in the order in which it was asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def prefetched(tasks: Iterable[Task], work: Callable[[Task], Result], workers: int) -> Iterator[tuple[Task, Result]]:
    """Each task with its result, in order; no more than one result beyond the workers' waits in memory."""
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[tuple[Task, Future[Result]]] = deque()
        try:
            for task in tasks:
                ahead.append((task, pool.submit(work, task)))
                if len(ahead) > workers:
                    done, future = ahead.popleft()
                    yield done, future.result()
            while ahead:
                done, future = ahead.popleft()
                yield done, future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
