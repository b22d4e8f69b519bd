"""Errors: one tree, and messages that name the store, what was wrong, and what to do."""

from __future__ import annotations

import pickle

import pytest

from dash_statemanager import errors
from dash_statemanager.errors import BackendFull, MissingExtra, StateError

ALL = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("error", ALL)
def test_all_errors_have_one_root(error: type[StateError]) -> None:
    assert issubclass(error, StateError)


def test_the_tree_that_the_module_draws_is_the_tree() -> None:
    drawn = [line.split("─ ")[1].split()[0] for line in (errors.__doc__ or "").splitlines() if "─ " in line]
    assert sorted([*drawn, "StateError"]) == sorted(errors.__all__)


def test_a_message_names_the_store_what_was_wrong_and_the_remedy() -> None:
    error = BackendFull("the disk is full", "Free some room")
    error.store = "sales"
    assert str(error) == "store 'sales': the disk is full. Free some room."


def test_a_message_needs_neither_store_nor_remedy() -> None:
    assert str(StateError("it is raining")) == "it is raining."


def test_a_missing_extra_is_an_import_error_too() -> None:
    with pytest.raises(ImportError, match="pip install x"):
        raise MissingExtra("x is needed", "pip install x")


@pytest.mark.parametrize("error", ALL)
def test_errors_come_through_pickle_for_background_workers(error: type[StateError]) -> None:
    original = error("what", "remedy")
    original.store = "sales"
    copy = pickle.loads(pickle.dumps(original))
    assert (type(copy), str(copy), copy.store) == (error, str(original), "sales")
