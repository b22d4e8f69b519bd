"""References: small, signed, and of use only to those they were made for."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dash_statemanager.reference import (
    APP,
    BASE,
    CHAIN,
    NOBODY,
    PATCH_NAME,
    References,
    Scope,
    base_of,
    content_version,
    is_reference,
    new_patch,
    random_version,
    store_digest,
)

MINE, YOURS = Scope.of("s", "me"), Scope.of("s", "you")
REFERENCES = References(["secret"])
STORE, VERSION = store_digest("sales"), random_version()
TOKEN = REFERENCES.mint(MINE, STORE, VERSION)[BASE]
URL_SAFE = string.ascii_letters + string.digits + "-_"


def opens(token: object, *scopes: Scope, references: References = REFERENCES) -> bool:
    return references.verify(token, scopes) is not None


@pytest.mark.parametrize("scope", [MINE, Scope.of("u", "x" * 500), APP, NOBODY])
@pytest.mark.parametrize("store_id", ["a", "ä" * 5000, '{"index":1,"type":"store"}'])
def test_a_reference_is_shorter_than_120_bytes(scope: Scope, store_id: str) -> None:
    reference = REFERENCES.mint(scope, store_digest(store_id), random_version())
    assert len(json.dumps(reference)) < 120


def test_a_token_names_what_it_was_minted_for() -> None:
    token = REFERENCES.verify(TOKEN, [MINE])
    assert token is not None
    assert (token.kind, token.store, token.version) == ("s", STORE, VERSION)


def test_only_the_right_scope_opens_a_token() -> None:
    assert opens(TOKEN, MINE)
    assert not opens(TOKEN, YOURS)
    assert not opens(TOKEN, Scope.of("u", "me"), APP, NOBODY)
    assert not opens(TOKEN)


def test_one_of_several_scopes_is_enough() -> None:
    assert REFERENCES.verify(TOKEN, [YOURS, MINE]) is not None


def test_a_session_and_a_user_of_the_same_name_are_two_scopes() -> None:
    assert len({str(Scope.of(kind, "me")) for kind in "sua"}) == 3


def test_the_scope_is_not_in_the_token() -> None:
    assert MINE.digest not in TOKEN
    assert "me" not in str(MINE)


def test_keys_rotate_the_first_signs_and_all_verify() -> None:
    both, new = References(["new", "secret"]), References(["new"])
    assert opens(TOKEN, MINE, references=both)
    assert not opens(TOKEN, MINE, references=new)
    assert opens(both.mint(MINE, STORE, VERSION)[BASE], MINE, references=new)


@settings(max_examples=300)
@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(URL_SAFE))
def test_no_character_of_a_token_can_be_another(place: int, character: str) -> None:
    forged = TOKEN[:place] + character + TOKEN[place + 1 :]
    assert opens(forged, MINE, YOURS, APP, NOBODY) == (forged == TOKEN)


@settings(max_examples=300)
@given(st.integers(0, len(TOKEN) - 1))
def test_no_part_of_a_token_opens(length: int) -> None:
    assert not opens(TOKEN[:length], MINE)
    assert not opens(TOKEN[length + 1 :], MINE)


@settings(max_examples=300)
@given(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.lists(st.text())
    | st.text(URL_SAFE, min_size=77, max_size=77) | st.from_regex(r"[suax][\w-]{76}", fullmatch=True)
)  # fmt: skip
def test_nothing_else_opens(forged: Any) -> None:
    assert not opens(forged, MINE, YOURS, APP, NOBODY)


def test_equal_content_has_one_version_for_those_with_the_key_only() -> None:
    assert content_version(b"k", [b"ab", b"c"]) == content_version(b"k", [b"a", b"bc"])
    assert content_version(b"k", [b"abc"]) != content_version(b"other", [b"abc"])
    assert len(content_version(b"k", [])) == len(random_version()) == 22


def test_a_patch_has_sixteen_characters_that_tell_the_kind_of_its_scope() -> None:
    names = {new_patch(APP) for _ in range(100)}
    assert len(names) == 100
    assert all(PATCH_NAME.fullmatch(name) and name[0] == "a" for name in names)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({BASE: TOKEN}, True),
        ({BASE: "forged"}, True),
        ({BASE: TOKEN, CHAIN: []}, True),
        ({CHAIN: ["p"]}, True),
        ({"a": 1, CHAIN: ["p"]}, True),
        ({BASE: TOKEN, "a": 1}, False),
        ({}, False),
        ([BASE], False),
        (BASE, False),
        (None, False),
    ],
)
def test_a_reference_is_recognised_by_its_shape(value: Any, expected: bool) -> None:
    assert is_reference(value) is expected


@pytest.mark.parametrize(
    ("reference", "base"),
    [
        ({CHAIN: []}, None),
        ({"a": 1, CHAIN: []}, {"a": 1}),
        ({"0": "x", "1": "y", CHAIN: []}, ["x", "y"]),
        ({"1": "y", CHAIN: []}, {"1": "y"}),
    ],
)
def test_raw_json_under_patches_is_what_it_was_before_the_browser_patched_it(reference: Any, base: Any) -> None:
    assert base_of(reference) == base
