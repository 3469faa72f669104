"""Which API answers, documents in their order, and answers that cannot be used."""

from __future__ import annotations

import httpx
import pytest
from reranking_server import (
    FLOAT16_INFINITY,
    Asked,
    Reply,
    hosted,
    infinity,
    llama_cpp,
    logit,
    nim,
    reply,
    serving,
    text_embeddings_inference,
    vllm,
)

from analysis.auditing.answers import scores_in_order
from analysis.auditing.servers import DOCUMENTS_PER_REQUEST, PATHS, find_server
from analysis.auditing.transport import Limits, ServerError, Transport
from analysis.engines import path_of
from analysis.scorepath import ScorePath

QUICK = Limits(answer_seconds=20, attempts=2, first_wait=0.001, longest_wait=0.01)
DOCUMENTS = [f"Passage {number}" for number in range(DOCUMENTS_PER_REQUEST + 8)]
TEI_PATH = path_of("infinity", "0.0.78", "float16")


@pytest.fixture
def transport():
    with Transport(QUICK) as opened:
        yield opened


def find(transport, url, **options):
    return find_server(transport, httpx.URL(url), "Frage", "Text", **options)


def check(server, path, *, raw):
    """Compare scores, and logits where they are offered, with the path's, bitwise."""
    logits = path.logits([logit(text) for text in DOCUMENTS])
    assert server.scores("Frage", DOCUMENTS, asked="all") == path.scores(logits).tolist()
    assert server.offers_raw is raw
    if raw:
        assert server.scores("Frage", DOCUMENTS, raw=True, asked="all") == logits.tolist()


def test_infinity(transport):
    with serving(infinity()) as running:
        server = find(transport, running.url)
        check(server, FLOAT16_INFINITY, raw=True)
    assert (str(server.url), server.documents_field) == (f"{running.url}/rerank", "documents")


def test_infinity_before_raw_scores_ignores_the_field(transport):
    def answer(asked: Asked) -> Reply:
        asked.payload.pop("raw_scores", None)
        return infinity()(asked)

    with serving(answer) as running:
        check(find(transport, running.url), FLOAT16_INFINITY, raw=False)


def test_text_embeddings_inference_gets_no_more_than_it_takes(transport):
    with serving(text_embeddings_inference(TEI_PATH)) as running:
        server = find(transport, running.url + "/")
        check(server, TEI_PATH, raw=True)
        sizes = {len(asked.payload["texts"]) for asked in running.asked if "texts" in asked.payload}
    assert server.documents_field == "texts"
    assert sizes == {1, 8, DOCUMENTS_PER_REQUEST}


@pytest.mark.parametrize("place", ["/rerank", "/v1/rerank", "/v2/rerank"])
def test_hosted_apis_at_each_of_their_places(transport, place):
    path = path_of("infinity", "0.0.68", "float32")
    with serving(hosted(path, place, model="m")) as running:
        for url in (running.url, running.url + place):
            server = find(transport, url, model="m")
            assert str(server.url) == running.url + place
            check(server, path, raw=False)


def test_infinity_when_its_results_were_called_data(transport):
    with serving(infinity(results="data")) as running:
        check(find(transport, running.url), FLOAT16_INFINITY, raw=True)


@pytest.mark.parametrize(
    "place", ["", "/rerank", "/v1/rerank", "/v2/rerank", "/score", "/v1/score"]
)
def test_vllm_gives_raw_scores_without_its_activation(transport, place):
    path = path_of("vllm", "0.9.1", "bfloat16")
    with serving(vllm(path)) as running:
        server = find(transport, running.url + place)
        assert server.url.path == (place or "/rerank")
        check(server, path, raw=True)


@pytest.mark.parametrize("place", ["/rerank", "/score"])
def test_vllm_cuts_long_pairs_when_told(transport, place):
    with serving(vllm(ScorePath(), longest=5)) as running:
        server = find(transport, running.url + place)
        assert len(server.scores("Frage", ["ein langer Text"], asked="long")) == 1


@pytest.mark.parametrize("place", ["", "/rerank", "/reranking", "/v1/rerank", "/v1/reranking"])
def test_llama_cpp_returns_logits_and_ignores_what_it_does_not_know(transport, place):
    raw = ScorePath().raw()
    with serving(llama_cpp(raw)) as running:
        server = find(transport, running.url + place)
        assert server.documents_field == "documents"
        check(server, raw, raw=False)


def test_nim_returns_logits(transport):
    raw = ScorePath("float16").raw()
    with serving(nim(raw, model="m")) as running:
        server = find(transport, running.url, model="m")
        assert (server.url.path, server.documents_field) == ("/v1/ranking", "passages")
        check(server, raw, raw=False)


@pytest.mark.parametrize(
    ("place", "results"),
    [("/v3/rerank", "results"), ("/v1/rerank", "data")],
    ids=["OVMS", "Voyage"],
)
def test_openvino_model_server_and_voyage(transport, place, results):
    with serving(hosted(ScorePath(), place, model="m", results=results)) as running:
        server = find(transport, running.url, model="m")
        assert server.url.path == place
        check(server, ScorePath(), raw=False)


def test_raw_scores_that_are_not_the_logits_are_not_offered(transport):
    """A server that returns another number for raw_scores, say a softmax's second label."""

    def answer(asked: Asked) -> Reply:
        if asked.path != "/rerank" or "documents" not in asked.payload:
            return Reply(status=404)
        raw = 3.0 if asked.payload.get("raw_scores") else 0.25
        many = len(asked.payload["documents"])
        return reply({"results": [{"index": i, "score": raw} for i in range(many)]})

    with serving(answer) as running:
        assert not find(transport, running.url).offers_raw


def test_an_api_below_a_path(transport):
    with serving(hosted(FLOAT16_INFINITY, "/models/a/v1/rerank", model="m")) as running:
        server = find(transport, f"{running.url}/models/a", model="m")
        assert str(server.url) == f"{running.url}/models/a/v1/rerank"


def test_a_model_that_must_be_named(transport):
    with (
        serving(hosted(FLOAT16_INFINITY, "/v1/rerank", model="m")) as running,
        pytest.raises(
            ServerError,
            match=r"/v1/rerank: the server answered with HTTP status 400.*--server-model",
        ),
    ):
        find(transport, running.url)


def test_no_endpoint_anywhere_names_what_was_tried(transport):
    with serving(lambda _: Reply(status=404)) as running:
        with pytest.raises(ServerError, match="there is no reranking endpoint") as caught:
            find(transport, running.url)
        assert [asked.path for asked in running.asked] == [f"/{place}" for place in PATHS]
    for asked in running.asked:
        assert f"{running.url}{asked.path}" in caught.value.problem


def test_a_refusal_other_than_of_the_format_ends_the_search(transport):
    with serving(lambda _: Reply(status=401)) as running:
        with pytest.raises(ServerError, match="HTTP status 401"):
            find(transport, running.url)
        assert len(running.asked) == 1


def test_a_server_that_serves_something_else(transport):
    with (
        serving(lambda _: reply({"status": "ok"})) as running,
        pytest.raises(ServerError, match=r"first pair: the answer has no list of results"),
    ):
        find(transport, running.url)


def result(index: object, score: object = 0.5) -> dict:
    return {"index": index, "relevance_score": score}


URL = httpx.URL("http://host/rerank")
UNUSABLE = {
    "no list of results": [{"results": None}, {}, "text", 7, None, {"results": ["text"]}],
    "no index": [[{"score": 1}], [result(None)], [result("0")], [result(True)], [result(0.0)]],
    "a result has an index beyond": [[result(-1), result(0)], [result(0), result(2)]],
    "document 0 is scored twice": [[result(0), result(0)]],
    "scores for 1 of 2 documents": [[result(1)]],
    "scores for 0 of 2 documents": [[], {"results": []}],
    "not a finite number": [
        [result(0, value)]
        for value in (None, float("nan"), 10**400, "0.5", True, [0.5], {"value": 0.5})
    ],
    "no relevance_score or score": [[{"index": 0, "rank": 3.0}]],
}


@pytest.mark.parametrize(
    ("says", "answer"), [(says, answer) for says, answers in UNUSABLE.items() for answer in answers]
)
def test_unusable_answers_name_address_query_and_remedy(says, answer):
    with pytest.raises(ServerError, match=says) as caught:
        scores_in_order(answer, 2, url=URL, asked="query 'q1'")
    assert str(caught.value).startswith("http://host/rerank: query 'q1': ")
    assert caught.value.remedy


def test_whole_numbers_are_scores_too():
    answer = {"results": [result(1, 1), result(0, 0)]}
    assert scores_in_order(answer, 2, url=URL, asked="q") == [0.0, 1.0]
