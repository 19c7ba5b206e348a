"""The filter: what it means, what it says where it means nothing, and how it is completed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from screens.frames import BAD_TARGETS, OSCILLATION, evaluated_run, run_frame

from dettui.domain.frame import RunFrame
from dettui.domain.run import RunState
from dettui.widgets.run_filter import FilterError, matches, parse
from dettui.widgets.run_filter.completion import completions
from dettui.widgets.run_filter.language import All, Any, Compare, Has, Not, Query, Text, written

SICK = run_frame("a", "alpha s1", findings=(BAD_TARGETS,))
SWINGING = run_frame("b", "beta s2", findings=(OSCILLATION,), state=RunState.STALLED)
PLAIN = replace(
    evaluated_run(tag="eval/mAP50"), info=replace(SICK.info, id="c", name="gamma", host="cpu7", group="sweep-3")
)
RUNS = (SICK, SWINGING, PLAIN)


def left(text: str, runs: tuple[RunFrame, ...] = RUNS) -> str:
    """First letters of the names of the runs that pass."""
    return "".join(run.info.name[0] for run in runs if matches(run, parse(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "abg"),
        ("alph", "a"),
        ("ALPH", "a"),
        ("state:stalled", "b"),
        ("not state:stalled", "ag"),
        ("!state:stalled", "ag"),
        ("cause:lr_too_high", "b"),
        ("finding:bad_targets", "a"),
        ("severity:critical", "a"),
        ("host:gpu*", "ab"),
        ("host:gpu?2", ""),
        ("has:eval/*", "g"),
        ("mAP50<0.7", "g"),
        ("eval/mAP50<0.3", ""),
        ("eval/mAP50 >= 0.605", "g"),
        ("step>=990", "abg"),
        ("step>1e3", ""),
        ("rate > 9 host:cpu7", "g"),
        ("alpha or beta", "ab"),
        ("alpha | gamma", "ag"),
        ("alpha beta", ""),
        ("host:gpu* and not (alpha or gamma)", "b"),
        ('"alpha s1"', "a"),
        ('name:"beta s2"', "b"),
        ("group:alpha", "a"),
        ("group:sweep-3", "g"),
        ("group:gamma", ""),
        ("loss/total>-1", "abg"),
        ("loss/total<-1", ""),
    ],
)
def test_filter_means(text: str, expected: str) -> None:
    assert left(text) == expected


def test_settings_are_compared_as_numbers_and_as_words() -> None:
    sgd = replace(SICK, info=replace(SICK.info, config={"lr": 0.01, "optim": "SGD"}))
    assert left("lr=0.01", (sgd,)) == "a"
    assert left("lr>0.01", (sgd,)) == ""
    assert left("optim=sgd", (sgd,)) == "a"
    assert left("optim!=sgd", (sgd,)) == ""


def test_what_a_run_lacks_is_neither_less_nor_more() -> None:
    assert left("eval/mAP50<9") == "g"
    assert left("eval/mAP50>=-9") == "g"


@pytest.mark.parametrize(
    ("text", "says", "at"),
    [
        ("state:", "state of what", 6),
        ("colour:red", "no field colour", 0),
        ("(alpha", "not closed", 0),
        ("alpha)", "no ( for this", 5),
        ('name:"bet', "quotation is not closed", 5),
        ("alpha or", "something should follow", 8),
        ("not", "something should follow", 3),
        ("mAP >", "mAP of what", 5),
        ("> 3", "> cannot stand here", 0),
        ("(" * 60, "levels", 50),
    ],
)
def test_a_wrong_query_says_what_is_wrong_and_where(text: str, says: str, at: int) -> None:
    with pytest.raises(FilterError, match=says.replace("(", r"\(").replace(">", r"\>")) as raised:
        parse(text)
    assert raised.value.at == at


texts = st.text(st.characters(categories=("L", "N", "P", "Zs"), exclude_characters="\"'"), min_size=1, max_size=8)
leaves: st.SearchStrategy[Query] = st.one_of(
    st.builds(Text, texts),
    st.builds(Has, st.sampled_from(["state", "host", "cause"]), texts),
    st.builds(Compare, texts, st.sampled_from(["<", "<=", ">", ">=", "=", "!="]), texts),
)
queries: st.SearchStrategy[Query] = st.recursive(
    leaves,
    lambda parts: st.one_of(
        st.builds(Not, parts),
        st.builds(All, st.lists(parts, min_size=2, max_size=3).map(tuple)),
        st.builds(Any, st.lists(parts, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@given(queries)
def test_what_is_written_is_read_back(query: Query) -> None:
    assert parse(written(query)) == query


@given(st.text(max_size=40))
def test_any_text_is_a_query_or_an_error_with_a_place(text: str) -> None:
    try:
        query = parse(text)
    except FilterError as error:
        assert 0 <= error.at <= len(text)
        assert "\n" not in str(error)
    else:
        assert all(matches(run, query) in (True, False) for run in RUNS)


terms = st.sampled_from(["alpha", "state:stalled", "host:gpu*", "eval/mAP50<0.7", "finding:oscillation", "step>5"])


@given(terms, terms)
def test_de_morgan_holds(one: str, other: str) -> None:
    for run in RUNS:
        assert matches(run, parse(f"not ({one} or {other})")) == matches(run, parse(f"not {one} and not {other}"))
        assert matches(run, parse(f"not ({one} {other})")) == matches(run, parse(f"not {one} | not {other}"))
        assert matches(run, parse(f"not not {one}")) == matches(run, parse(one))


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("sta", "state:"),
        ("alpha and fin", "alpha and finding:"),
        ("state:sta", "state:stalled"),
        ("not state:sta", "not state:stalled"),
        ("cause:lr", "cause:lr_too_high"),
        ("(host:gp", "(host:gpu01"),
        ("mAP", "eval/mAP50"),
        ("eval/", "eval/mAP50"),
        ("name:bet", 'name:"beta s2"'),
    ],
)
def test_tab_completes(typed: str, completed: str) -> None:
    assert completed in completions(typed, RUNS)[:3]
    parse(completed.lstrip("(") + ("x" if completed.endswith(":") else ""))


def test_nothing_completes_an_unknown_field() -> None:
    assert completions("colour:r", RUNS) == ()
