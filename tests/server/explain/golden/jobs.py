"""Jobs."""

import asyncio


class Queue:
    """Holds jobs until a worker takes them."""

    def __init__(self, limit: int = 100) -> None:
        self.limit = limit
        self.jobs: list[str] = []

    async def take(self, wait: float) -> str:
        """Return the oldest job.

        Waits for one when there is none.
        """
        while not self.jobs:
            await asyncio.sleep(wait)
        if len(self.jobs) > self.limit:
            raise OverflowError("too many jobs")
        return self.next_job()

    def next_job(self):
        return self.jobs.pop(0)
