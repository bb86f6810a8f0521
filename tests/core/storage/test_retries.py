"""How long failing reads go on, and what is said in the end."""

import time
from datetime import UTC, datetime

import pytest

from nucleusnet_core.errors import TransferError, UsageError
from nucleusnet_core.storage.retries import (
    PATIENT_POLICY,
    RESENT_STATUSES,
    RETRIED_STATUSES,
    Attempts,
    RetryPolicy,
    asked_seconds,
)

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def quick(**changed: float) -> RetryPolicy:
    return RetryPolicy(**{"first_delay_seconds": 0.001, "longest_delay_seconds": 0.002, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "17"}, 17.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"Retry-After": "Sun, 01 Mar 2026 12:02:30 GMT"}, 150.0),
        ({"Retry-After": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Wed, 21 Oct 99999999999999999 07:28:00 GMT"}, None),
        ({"Retry-After": "-5"}, None),
        ({"RateLimit": '"resolvers";r=0;t=42'}, 42.0),
        ({"RateLimit": '"resolvers";r=3;t=42'}, None),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{NOW.timestamp() + 30:.0f}"}, 30.0),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{NOW.timestamp() - 30:.0f}"}, 0.0),
        ({"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": f"{NOW.timestamp() + 30:.0f}"}, None),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}, None),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9999999999", "Retry-After": "7"}, 7.0),
    ],
)
def test_what_a_server_asks_for_is_understood(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_seconds(headers, now=NOW) == seconds


def test_giving_up_says_what_was_tried_how_often_and_how_long() -> None:
    attempts = Attempts("http://host/set/a.bin", quick(most_attempts=3))
    attempts.wait("status 503", reached=True)
    attempts.wait("the answer stalled", reached=True)
    with pytest.raises(TransferError) as caught:
        attempts.wait("status 503", reached=True)
    assert str(caught.value) == (
        "http://host/set/a.bin: 3 attempts failed in 0.0 s: status 503 (2 x), the answer stalled (1 x); check the "
        "address and the connection, and try again."
    )


def test_many_different_reasons_are_not_all_said_and_the_remedy_is_the_caller_s() -> None:
    attempts = Attempts("shard", quick(most_attempts=8), remedy="call again.")
    for number in range(7):
        attempts.wait(f"reason {number}", reached=True)
    with pytest.raises(TransferError) as caught:
        attempts.wait("reason 6", reached=True)
    assert str(caught.value) == (
        "shard: 8 attempts failed in 0.0 s: reason 6 (2 x), reason 0 (1 x), reason 1 (1 x), reason 2 (1 x), "
        "reason 3 (1 x), and others; call again."
    )


def wait_forever(attempts: Attempts, reached: bool, *, came: int = 0) -> None:
    while True:
        if came:
            time.sleep(0.02)
        attempts.came(came)
        attempts.wait("status 500", reached=reached)


@pytest.mark.parametrize(("reached", "least", "most"), [(True, 0.15, 1.0), (False, 0.02, 1.0)])
def test_time_without_a_byte_is_bounded_and_shorter_before_first_contact(
    reached: bool, least: float, most: float
) -> None:
    policy = quick(give_up_seconds=0.2, first_contact_seconds=0.04, most_attempts=100_000, longest_delay_seconds=0.01)
    attempts = Attempts("a", policy)
    began = time.monotonic()
    with pytest.raises(TransferError):
        wait_forever(attempts, reached)
    assert least <= time.monotonic() - began <= most


def test_enough_bytes_start_the_clock_again_and_drops_do_not() -> None:
    for count, most in ((70_000, 12), (1_000, 4)):
        attempts = Attempts("a", quick(give_up_seconds=0.05, most_attempts=12))
        with pytest.raises(TransferError, match="attempts failed") as caught:
            wait_forever(attempts, True, came=count)
        assert int(str(caught.value).split()[1]) <= most
        assert ("12 attempts failed" in str(caught.value)) == (count == 70_000)


def test_the_delay_grows_up_to_a_limit_and_has_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    attempts = Attempts("a", RetryPolicy(first_delay_seconds=1.0, longest_delay_seconds=8.0))
    for _ in range(7):
        attempts.wait("status 500", reached=True)
    longest = [1, 2, 4, 8, 8, 8, 8]
    assert all(limit / 2 <= delay <= limit for delay, limit in zip(slept, longest, strict=True))
    assert len(set(slept)) == 7


def test_what_the_server_asks_for_is_waited_and_not_counted_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    attempts = Attempts("a", RetryPolicy(give_up_seconds=1.0, asked_seconds=300.0))
    for _ in range(2):
        attempts.wait("status 429", reached=True, asked_seconds=140.0)
    assert [round(delay) for delay in slept] in ([140, 140], [140, 141], [141, 140], [141, 141])
    with pytest.raises(TransferError, match=r"status 429 \(3 x\); the server asks to wait 140 s more; try again then"):
        attempts.wait("status 429", reached=True, asked_seconds=140.0)


def test_a_server_that_asks_for_no_wait_again_and_again_is_not_stormed() -> None:
    attempts = Attempts("a", RetryPolicy(first_delay_seconds=1.0, longest_delay_seconds=8.0))
    pauses = [attempts.pause("status 503", reached=True, asked_seconds=0.0) for _ in range(5)]
    assert all(limit / 2 <= pause <= limit for pause, limit in zip(pauses, [1, 2, 4, 8, 8], strict=True))


def test_uploads_and_deposits_go_on_through_a_night_that_hosts_a_storm() -> None:
    attempts = Attempts("shard", PATIENT_POLICY)
    pauses = [attempts.pause("status 503", reached=True) for _ in range(200)]
    assert sum(pauses) > 6 * 3600
    assert attempts.pause("status 429", reached=True, asked_seconds=3600.0) >= 3600


def test_no_space_is_passed_over_in_a_read_and_refused_in_an_upload() -> None:
    assert {507} == RETRIED_STATUSES - RESENT_STATUSES


def test_a_policy_that_never_gives_up_is_refused() -> None:
    with pytest.raises(UsageError, match=r"give_up_seconds is inf; it must be a number above 0"):
        RetryPolicy(give_up_seconds=float("inf"))
    with pytest.raises(UsageError, match=r"most_attempts is 0; it must be a number above 0"):
        RetryPolicy(most_attempts=0)
