"""Requests that arrive together: each gets its own rows' answers, whatever happens to the others."""

import asyncio
import threading

import numpy as np
import pytest

from ml_template.serving.batching import Batcher


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


def test_what_arrives_during_a_prediction_goes_into_the_next_batch():
    entered, go_on = threading.Event(), threading.Event()

    class Slow(Doubling):
        def __call__(self, matrix):
            entered.set()
            assert go_on.wait(30)
            return super().__call__(matrix)

    async def during(form):
        batcher = Batcher(form)
        first = batcher.predict(rows(100))
        await asyncio.get_running_loop().run_in_executor(None, entered.wait, 30)
        later = [batcher.predict(rows(40)), batcher.predict(rows(50))]
        go_on.set()
        await asyncio.gather(first, *later)

    form = Slow()
    asyncio.run(during(form))
    assert form.calls == [100, 90]
