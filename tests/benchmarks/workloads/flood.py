"""W4: records submitted without waiting for their receipts, then drained; how fast, and in how much memory."""

from time import perf_counter
from typing import Any

from ..memory import Peak
from ..model import Bench, Contender, Outcome, Workload
from ..records import feeds

BATCH = 512
PATIENCE_SECONDS = 4.0


class Flood(Workload):
    """One writer that never waits for more than room; who is slow is stopped early."""

    name = "W4"
    title = "100,000 records submitted without waiting for receipts, then drained"
    unit = "records/s"
    target = "≥ 0.80, ≤ 32 MB"

    async def run(self, contender: Contender, bench: Bench) -> Outcome:
        (feed,) = fed = feeds(1)
        async with contender.opened(bench) as open_file:
            journal = await open_file(bench.path)
            submit = journal.submit(0)
            await submit(feed.take(1)[0])
            await journal.drain()
            peak, begun = Peak(), perf_counter()
            while feed.taken < bench.scale.submitted_records and perf_counter() - begun < PATIENCE_SECONDS:
                for record in feed.take(BATCH):
                    await submit(record)
            await journal.drain()
            rate = feed.taken / (perf_counter() - begun)
            figures = {self.unit: rate, "peak MB": peak.megabytes()}
            await journal.close()
        return Outcome(figures, {bench.path: fed})

    def run_limit(self, limit: Any, bench: Bench) -> Outcome:
        (feed,) = fed = feeds(1)
        fd, peak, begun = limit.open(bench.path), Peak(), perf_counter()
        while feed.taken < bench.scale.submitted_records:
            limit.write(fd, feed.take(BATCH), sync=False)
        rate = feed.taken / (perf_counter() - begun)
        return Outcome({self.unit: rate, "peak MB": peak.megabytes()}, {bench.path: fed})


WORKLOADS = [Flood()]
