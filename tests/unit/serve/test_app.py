"""The routes with a model that a test holds back: loading, busy, ending."""

import asyncio
import os
import signal
import threading

from aiohttp import ClientConnectionError, ClientSession
from aiohttp.test_utils import TestClient, TestServer

from steerlm_jobs.serve.app import ChatServer
from steerlm_jobs.serve.served_model import Completion
from steerlm_jobs.serve.serving import Address, _serve

BODY = {"messages": [{"role": "user", "content": "Hi"}], "attributes": {"humor": 1}}
CHAT = "/v1/chat/completions"


class HeldModel:
    """Answers when it is let go."""

    def __init__(self):
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.fails = False

    def attributes(self):
        return [{"name": "humor"}]

    def complete(self, asked):
        self.begun.set()
        self.may_end.wait(60)
        if self.fails:
            msg = "a bug"
            raise ValueError(msg)
        return Completion("Ho", False, 3, 2, dict(asked.attributes), {"humor": 1})


def with_client(test, **settings):
    async def run():
        server = ChatServer("m", **settings)
        async with TestClient(TestServer(server.application())) as client:
            await test(server, client)

    asyncio.run(run())


def test_it_is_healthy_only_with_a_model_and_until_it_ends():
    async def test(server, client):
        assert (await client.get("/healthz")).status == 503
        early = await client.post(CHAT, json=BODY)
        assert (early.status, early.headers["Retry-After"]) == (503, "5")
        await server.load(HeldModel)
        assert (await client.get("/healthz")).status == 200
        models = await (await client.get("/v1/models")).json()
        assert models["data"][0]["id"] == "m"
        assert models["data"][0]["attributes"] == [{"name": "humor"}]
        server.end()
        assert (await client.get("/healthz")).status == 503
        assert (await client.post(CHAT, json=BODY)).status == 503

    with_client(test)


def test_an_answer_has_the_shape_of_a_chat_completion():
    async def test(server, client):
        model = HeldModel()
        model.may_end.set()
        await server.load(lambda: model)
        answer = await (await client.post(CHAT, json=BODY)).json()
        del answer["id"], answer["created"]
        assert answer == {
            "object": "chat.completion",
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Ho"},
                    "finish_reason": "length",
                }
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
            "attributes": {"humor": 1},
            "untrained_attributes": {"humor": 1},
        }

    with_client(test)


def test_more_requests_than_may_wait_are_refused_and_the_others_answered():
    async def test(server, client):
        model = HeldModel()
        await server.load(lambda: model)
        first = asyncio.create_task(client.post(CHAT, json=BODY))
        await asyncio.get_running_loop().run_in_executor(None, model.begun.wait)
        assert (await client.post(CHAT, json=BODY)).status == 503
        server.end()  # what is inside is answered all the same
        model.may_end.set()
        assert (await first).status == 200

    with_client(test, max_waiting=1)


def test_every_error_has_the_shape_that_clients_read():
    async def test(server, client):
        model = HeldModel()
        model.fails = True
        model.may_end.set()
        await server.load(lambda: model)
        found = {
            404: await client.get("/v1/nothing"),
            405: await client.get(CHAT),
            400: await client.post(CHAT, data=b"no json"),
            500: await client.post(CHAT, json=BODY),
        }
        for status, answer in found.items():
            assert answer.status == status
            assert (await answer.json())["error"]["message"]

    with_client(test)


async def is_refused(url):
    """Return True if nobody listens at the address any more."""
    try:
        async with ClientSession() as session, session.get(f"{url}/healthz"):
            return False
    except ClientConnectionError:
        return True


def test_on_sigterm_a_request_inside_is_answered_and_no_other_is_taken():
    async def story():
        model, urls = HeldModel(), asyncio.Queue()
        address = Address("127.0.0.1", 0)
        serving = asyncio.create_task(_serve("m", lambda: model, address, urls.put_nowait))
        url = await urls.get()
        async with ClientSession() as session:
            asking = asyncio.create_task(session.post(url + CHAT, json=BODY))
            await asyncio.get_running_loop().run_in_executor(None, model.begun.wait)
            os.kill(os.getpid(), signal.SIGTERM)
            while not await is_refused(url):
                pass
            assert not serving.done()
            model.may_end.set()
            answer = await asking
            assert (await answer.json())["choices"][0]["message"]["content"] == "Ho"
        await serving

    asyncio.run(story())
