"""Requests that arrive together: each gets its own rows' answers, whatever happens to the others."""

import asyncio
import threading
import weakref

import numpy as np
import pytest

from mlops_kit.serving.batching import Batcher


class Doubling:
    """A form that doubles; it notes its calls, and refuses rows with negative numbers."""

    def __init__(self):
        self.calls = []
        self.threads = []

    def __call__(self, matrix):
        self.calls.append(len(matrix))
        self.threads.append(threading.current_thread().name)
        if (matrix < 0).any():
            raise ValueError("negative")
        return 2 * matrix


def rows(count, value=1.0):
    return np.full((count, 2), value)


def ask(form, *matrices):
    """Ask for all matrices within one turn of the event loop; return answers and errors."""

    async def together():
        batcher = Batcher(form)
        futures = [batcher.predict(matrix) for matrix in matrices]
        return await asyncio.gather(*futures, return_exceptions=True)

    return asyncio.run(together())


@pytest.mark.parametrize("counts", [[1], [3, 1, 2], [1] * 64, [1000, 1, 5000, 2], [10_000, 1]])
def test_each_request_gets_the_answers_to_its_own_rows(counts):
    matrices = [rows(count, float(number)) for number, count in enumerate(counts)]
    for matrix, answer in zip(matrices, ask(Doubling(), *matrices)):
        np.testing.assert_array_equal(answer, 2 * matrix)


def test_what_arrives_together_is_predicted_at_once():
    form = Doubling()
    ask(form, rows(1), rows(2), rows(3))
    assert form.calls == [6]


def test_batches_stay_bounded_but_for_a_request_that_is_larger_itself():
    form = Doubling()
    ask(form, rows(9000), rows(4000), rows(90), rows(90), rows(1))
    assert form.calls == [9000, 4090, 91]


def test_few_rows_need_no_thread_and_many_leave_the_event_loop_free():
    form = Doubling()
    ask(form, rows(2))
    ask(form, rows(2000))
    assert form.threads[0] == threading.main_thread().name
    assert form.threads[1] != form.threads[0]


@pytest.mark.parametrize("count", [1, 500])
def test_a_request_that_is_refused_spoils_no_other(count):
    good, refused, again = ask(Doubling(), rows(count), rows(count, -1.0), rows(count, 3.0))
    np.testing.assert_array_equal(good, rows(count, 2.0))
    np.testing.assert_array_equal(again, rows(count, 6.0))
    assert isinstance(refused, ValueError)


@pytest.mark.parametrize("count", [1, 500])
def test_after_an_error_the_next_request_is_answered(count):
    async def one_after_another():
        batcher = Batcher(Doubling())
        with pytest.raises(ValueError, match="negative"):
            await batcher.predict(rows(count, -1.0))
        return await batcher.predict(rows(1))

    np.testing.assert_array_equal(asyncio.run(one_after_another()), rows(1, 2.0))


@pytest.mark.parametrize("count", [1, 500])
def test_who_gave_up_waiting_spoils_nothing(count):
    async def one_gives_up():
        batcher = Batcher(Doubling())
        gone, stays = batcher.predict(rows(count)), batcher.predict(rows(count, 4.0))
        gone.cancel()
        return await stays, await batcher.predict(rows(1))

    first, second = asyncio.run(one_gives_up())
    np.testing.assert_array_equal(first, rows(count, 8.0))
    np.testing.assert_array_equal(second, rows(1, 2.0))


def test_of_those_who_all_gave_up_nothing_is_predicted():
    async def all_give_up(form):
        batcher = Batcher(form)
        for future in [batcher.predict(rows(1)), batcher.predict(rows(500))]:
            future.cancel()
        await asyncio.sleep(0)
        assert form.calls == []
        return await batcher.predict(rows(3))

    form = Doubling()
    np.testing.assert_array_equal(asyncio.run(all_give_up(form)), rows(3, 2.0))
    assert form.calls == [3]


class Slow(Doubling):
    """Doubling that takes until it may go on."""

    def __init__(self):
        super().__init__()
        self._entered, self.go_on = threading.Event(), threading.Event()

    def __call__(self, matrix):
        self._entered.set()
        assert self.go_on.wait(30)
        return super().__call__(matrix)

    async def is_entered(self):
        await asyncio.get_running_loop().run_in_executor(None, self._entered.wait, 30)


def test_what_arrives_during_a_prediction_goes_into_the_next_batch():
    async def during(form):
        batcher = Batcher(form)
        first = batcher.predict(rows(100))
        await form.is_entered()
        later = [batcher.predict(rows(40)), batcher.predict(rows(50))]
        form.go_on.set()
        await asyncio.gather(first, *later)

    form = Slow()
    asyncio.run(during(form))
    assert form.calls == [100, 90]


def test_who_gave_up_during_a_prediction_is_not_predicted():
    async def during(form):
        batcher = Batcher(form)
        first = batcher.predict(rows(100))
        await form.is_entered()
        gone = [batcher.predict(rows(4000)), batcher.predict(rows(200))]
        stays = batcher.predict(rows(50, 4.0))
        for future in gone:
            future.cancel()
        form.go_on.set()
        await first
        return await stays

    form = Slow()
    np.testing.assert_array_equal(asyncio.run(during(form)), rows(50, 8.0))
    assert form.calls == [100, 50]


def test_who_gave_up_is_forgotten_even_while_a_prediction_takes_long():
    async def during(form):
        batcher = Batcher(form)
        first = batcher.predict(rows(100))
        await form.is_entered()
        matrices = []
        for _ in range(1000):
            matrix = rows(1)
            matrices.append(weakref.ref(matrix))
            batcher.predict(matrix).cancel()
        del matrix
        kept = sum(one() is not None for one in matrices)
        form.go_on.set()
        await first
        return kept

    assert asyncio.run(during(Slow())) <= 64
