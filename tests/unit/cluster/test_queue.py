import asyncio

from steerlm_operator.cluster.queue import WorkQueue


def test_a_key_waits_once():
    async def scenario() -> tuple[int, str]:
        queue: WorkQueue[str] = WorkQueue()
        queue.add("a")
        queue.add("a")
        return len(queue), await queue.get()

    assert asyncio.run(scenario()) == (1, "a")


def test_a_key_that_is_worked_on_waits_until_it_is_done():
    async def scenario() -> tuple[int, int]:
        queue: WorkQueue[str] = WorkQueue()
        queue.add("a")
        await queue.get()
        queue.add("a")
        before = len(queue)
        queue.done("a")
        return before, len(queue)

    assert asyncio.run(scenario()) == (0, 1)


def test_the_earlier_of_two_times_holds():
    async def scenario() -> str:
        queue: WorkQueue[str] = WorkQueue()
        queue.add_after("a", 3600)
        queue.add_after("a", 0)
        queue.add_after("a", 7200)
        return await asyncio.wait_for(queue.get(), 5)

    assert asyncio.run(scenario()) == "a"


def test_what_is_forgotten_does_not_come():
    async def scenario() -> int:
        queue: WorkQueue[str] = WorkQueue()
        queue.add_after("a", 0)
        queue.forget("a")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return len(queue)

    assert asyncio.run(scenario()) == 0
