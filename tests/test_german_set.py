"""The rules of the German set, held against the shipped file and against sets that break them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

import pandas as pd
import pytest

from analysis.datasets import RerankingSet, from_pairs
from analysis.readers import load_german


def check_german(german: RerankingSet) -> list[str]:
    """Every rule of the German set that ``german`` breaks, one sentence each; empty if none."""
    rules = (_sizes, _candidates, _grades, _words, _duplicates, _spelling)
    return [problem for rule in rules for problem in rule(german)]


def _counts(german: RerankingSet) -> pd.DataFrame:
    """Candidates of each query, and those of grade 0 and of grade 3."""
    grades = german.pairs["grade"]
    table = pd.DataFrame({"candidates": 1, "grade_0": grades == 0, "grade_3": grades == 3})
    table = table.fillna(False).astype("int64").groupby(german.pairs["query_id"], sort=False).sum()
    queries = [*table.index, *german.queries_without_candidates]
    return table.reindex(queries, fill_value=0).rename_axis("query_id").reset_index()


def _sizes(german: RerankingSet) -> Iterator[str]:
    table = _counts(german)
    if len(table) < 60:
        yield f"{len(table)} queries, fewer than 60"
    if german.n_pairs < 900:
        yield f"{german.n_pairs} passages, fewer than 900"
    full = int((table["grade_3"] >= 4).sum())
    if full < 30:
        yield f"{full} queries with four or more passages of grade 3, fewer than 30"


def _candidates(german: RerankingSet) -> Iterator[str]:
    for row in _counts(german).itertuples():
        if not 12 <= row.candidates <= 20:
            yield f"query {row.query_id}: {row.candidates} candidates, not 12 to 20"
        if row.grade_0 < 3:
            yield f"query {row.query_id}: {row.grade_0} passages of grade 0, fewer than 3"


def _grades(german: RerankingSet) -> Iterator[str]:
    for row in german.pairs.itertuples():
        if pd.isna(row.grade) or row.grade > 3:
            yield f"passage {row.passage_id} of query {row.query_id}: grade {row.grade}, not 0 to 3"


def _words(german: RerankingSet) -> Iterator[str]:
    for row in german.pairs.itertuples():
        words = len(row.passage.split())
        if not 25 <= words <= 90:
            yield f"passage {row.passage_id} of query {row.query_id}: {words} words, not 25 to 90"


def _duplicates(german: RerankingSet) -> Iterator[str]:
    first: dict[str, str] = {}
    for row in german.pairs.itertuples():
        name = f"passage {row.passage_id} of query {row.query_id}"
        words = " ".join(re.findall(r"\w+", row.passage.casefold()))
        if words in first:
            yield f"{name}: the same text as {first[words]}"
        first.setdefault(words, name)


def _spelling(german: RerankingSet) -> Iterator[str]:
    pairs = german.pairs
    for column in ("query_id", "passage_id", "query", "passage"):
        for text in pairs[column].unique():
            if not unicodedata.is_normalized("NFC", text):
                yield f"{column} {text!a:.60}: not in Unicode form NFC"
    for letter in "äöüßÄÖÜ":
        if not pairs["passage"].str.contains(letter).any():
            yield f"no passage has the letter {letter}"
    share = pairs["passage"].str.contains("[äöüßÄÖÜ]").mean()
    if share < 0.9:
        yield f"only {share:.0%} of the passages have an umlaut or ß, fewer than 90%"


def test_the_german_set_keeps_its_rules() -> None:
    assert check_german(load_german()) == []


def test_the_german_set_can_be_measured() -> None:
    german = load_german()
    assert german.has_grades
    assert german.name == "german"
    assert german.queries_without_candidates == ()


def made_up(grades: str = "333300011222000") -> pd.DataFrame:
    """Pairs that keep every rule, just: 60 queries of 15 passages of 25 words, 30 of them full."""
    rows = [
        {
            "query_id": f"q{query}",
            "passage_id": f"p{number}",
            "grade": int(grade) if query < 30 else min(int(grade), 2),
            "query": f"Was gilt für Öl Nr. {query}?",
            "passage": f"Öl Nr. {query}/{number}: Übliche Maße, Ämter, größer, für zehn Gläser"
            + " Wörter" * 15,
        }
        for query in range(60)
        for number, grade in enumerate(grades)
    ]
    return pd.DataFrame(rows)


def test_a_set_that_keeps_every_rule_just_has_no_problem() -> None:
    pairs = made_up()
    assert pairs["passage"].str.split().str.len().eq(25).all()
    assert check_german(from_pairs("gut", pairs)) == []


def edited(column: str, row: int, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Set one value."""
    return lambda pairs: pairs.assign(
        **{column: [value if n == row else old for n, old in enumerate(pairs[column])]}
    )


def replaced(old: str, new: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Replace a character in every passage."""
    return lambda pairs: pairs.assign(passage=pairs["passage"].str.replace(old, new))


FIRST = made_up()["passage"][0]
FEW_FULL = "29 queries with four or more passages of grade 3, fewer than 30"


def words(count: int) -> str:
    """Write a text of so many words."""
    return " ".join(f"Größe{n}" for n in range(count))


@pytest.mark.parametrize(
    ("spoil", "problems"),
    [
        (edited("grade", 0, 2), [FEW_FULL]),
        (edited("grade", 0, 4), [
            FEW_FULL,
            "passage p0 of query q0: grade 4, not 0 to 3",
        ]),
        (edited("grade", 7, None), ["passage p7 of query q0: grade <NA>, not 0 to 3"]),
        (
            edited("passage", 1, FIRST),
            ["passage p1 of query q0: the same text as passage p0 of query q0"],
        ),
        (
            edited("passage", 15, FIRST.upper().replace(" ", " \n ").replace(":", " –") + "!"),
            ["passage p0 of query q1: the same text as passage p0 of query q0"],
        ),
        (edited("passage", 1, words(90)), []),
        (edited("passage", 1, words(91)), ["passage p1 of query q0: 91 words, not 25 to 90"]),
        (edited("passage", 1, words(24)), ["passage p1 of query q0: 24 words, not 25 to 90"]),
        (edited("passage", 1, ""), ["passage p1 of query q0: 0 words, not 25 to 90"]),
        (edited("passage_id", 1, "a\u0308"), [r"passage_id 'a\u0308': not in Unicode form NFC"]),
        (replaced("Ü", "U"), ["no passage has the letter Ü"]),
        (replaced("ß", "ss"), ["no passage has the letter ß"]),
        (
            lambda pairs: pairs.assign(
                passage=[
                    re.sub("[äöüßÄÖÜ]", "x", text) if row % 8 else text
                    for row, text in enumerate(pairs["passage"])
                ]
            ),
            ["only 13% of the passages have an umlaut or ß, fewer than 90%"],
        ),
        (lambda pairs: pairs[pairs["query_id"] != "q59"], [
            "59 queries, fewer than 60", "885 passages, fewer than 900",
        ]),
    ],
)  # fmt: skip
def test_each_rule_names_what_breaks_it(spoil, problems: list[str]) -> None:
    assert check_german(from_pairs("schlecht", spoil(made_up()))) == problems


def test_texts_that_are_not_nfc_are_named() -> None:
    query = made_up()["query"].str.replace("Ö", "O\u0308")
    found = check_german(from_pairs("schlecht", made_up().assign(query=query)))
    assert len(found) == 60
    assert all(problem.endswith("not in Unicode form NFC") for problem in found)


@pytest.mark.parametrize(
    ("grades", "problem"),
    [
        ("33330001122", "query q0: 11 candidates, not 12 to 20"),
        ("333300011222000111222", "query q0: 21 candidates, not 12 to 20"),
        ("333300111222111", "query q0: 2 passages of grade 0, fewer than 3"),
    ],
)
def test_each_query_is_held_to_its_candidates(grades: str, problem: str) -> None:
    found = check_german(from_pairs("schlecht", made_up(grades)))
    assert problem in found
    assert sum(text.startswith("query q") for text in found) == 60


def test_a_query_without_candidates_breaks_two_rules() -> None:
    assert check_german(from_pairs("schlecht", made_up(), ["leer"])) == [
        "query leer: 0 candidates, not 12 to 20",
        "query leer: 0 passages of grade 0, fewer than 3",
    ]
