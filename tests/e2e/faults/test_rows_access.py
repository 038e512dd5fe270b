"""Rows 21 to 29: answers that say who may have what, and for how long."""

import pytest

from hub import Synthetic
from rows import HUB_TOKEN, MIB
from running_pull import RunningPull


def tokens_asked(case):
    return case.hub.log(target="/v2/token", status=200)


def serve_at_the_registry(case):
    """Blobs come from the registry itself, which wants its token for each range."""
    case.hub.settings(blob_style="direct")
    return {"origin": "hub", "ranged": True, "target": f"/blobs/{case.digest}", "range_over": 2}


@pytest.mark.only("registry")
def test_row_21_the_token_expires(case):
    data = serve_at_the_registry(case)
    case.hub.settings(bytes_per_second=2 * MIB)
    # The first answer ends every token's life, while other ranges are under way or not begun.
    case.fault({"revoke_tokens": True}, 1, **data, range_from=MIB)
    case.succeeds(within=30)
    assert case.hub.fault_hits() == [1]
    assert len(tokens_asked(case)) == 2  # one more for all workers
    refused = case.hub.log(target=f"/blobs/{case.digest}", status=401)
    assert 1 <= len(refused) <= 2 * case.connections + 1


def test_row_21_401_once(case):
    case.fault({"status": 401})
    case.succeeds()
    assert case.hub.fault_hits() == [1]
    assert len(case.addresses()) == 2


def test_row_22_401_loop_at_the_data(case):
    case.always({"status": 401})
    case.fails(77, "unauthorized")
    assert len(case.addresses_before_failure()) == 2


def test_row_22_401_loop_at_the_address(case):
    case.always({"status": 401}, **case.address)
    case.fails(77, "unauthorized")
    asked = case.faulted_before_failure()
    assert 1 <= len(asked) <= 3
    assert not case.ranges_before_failure()


@pytest.mark.only("registry")
def test_row_22_a_token_that_is_never_good(case):
    case.hub.settings(token_seconds=0)
    case.fails(77, "unauthorized", then="nothing")
    assert len(tokens_asked(case)) <= 2
    case.hub.settings(token_seconds=300)
    case.succeeds()


@pytest.mark.parametrize("times", [1, 3])
def test_row_23_signatures_expire(case, times):
    case.put(Synthetic(times * 96 * MIB + 17, 4))
    # So far apart that bytes arrive in between, however many are asked for at once: this is no
    # refusal.
    for number in range(times):
        case.hub.fault({"expire_signatures": True}, origin="cdn", ranged=True,
                       covers=(number * 96 + 16) * MIB)
    case.succeeds()
    assert case.hub.fault_hits() == [1] * times
    assert 2 <= len(case.addresses()) <= times + 1
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 200_000


def test_row_23_403_once(case):
    case.fault({"status": 403})
    case.succeeds()
    assert case.hub.fault_hits() == [1]
    assert len(case.addresses()) == 2


def test_row_23_signatures_of_a_second(case):
    case.put(Synthetic(8 * MIB + 17, 4))
    case.hub.settings(signature_seconds=1, bytes_per_second=3 * MIB // min(case.connections, 4))
    case.succeeds(within=30)
    assert len(case.addresses()) >= 2


def test_row_24_403_for_ever(case):
    case.always({"status": 403}, **case.data)
    case.fails(77, "unauthorized", within=15)
    # The same range, a smaller one, the whole: each from a new address.
    assert len(case.addresses_before_failure()) == 4


def test_row_24_403_for_one_part_for_ever(case):
    # All the rest arrives, so that progress must not make this endless.
    case.always({"status": 403}, covers=3 * MIB, **case.data)
    case.fails(77, "unauthorized", within=20)


@pytest.mark.only("hub")
def test_row_25_gated(case):
    case.hub.set_circumstances("acme/m", gated="auto", tokens=["somebody else's"])
    error = case.fails(77, "gated", "accept the terms", then="nothing")
    assert HUB_TOKEN not in str(error)
    assert len(case.hub.log(origin="cdn")) == 0
    case.hub.set_circumstances("acme/m")
    case.succeeds()


@pytest.mark.parametrize("where", ["metadata", "address"])
def test_row_25_403_at_the_origin(case, where):
    match = {"target": case.metadata} if where == "metadata" else case.address
    case.always({"status": 403}, **match)
    case.fails(77, "unauthorized")
    # That is an answer: it is not asked again.
    assert len(case.faulted_before_failure()) == 1
    assert not case.ranges_before_failure()


def test_row_26_a_signature_for_small_ranges(case):
    # Among more connections ranges are as small from the start, unless there is much to fetch.
    case.put(Synthetic((24 if case.connections == 1 else 80) * MIB + 17, 4))
    case.always({"status": 403, "body": "<Error><Message>invalid range</Message></Error>"},
                origin="cdn", ranged=True, range_over=MIB)
    case.succeeds()
    # Were it not for the size of the first ranges there would be nothing to find out.
    assert case.hub.fault_hits()[0] >= 1
    assert len(case.addresses()) >= 2
    assert case.hub.bytes_sent(origin="cdn") <= case.large.size + 100_000


def test_row_26_a_signature_for_the_whole(case):
    case.always({"status": 403, "body": "<Error><Message>invalid range</Message></Error>"},
                origin="cdn", ranged=True)
    data = case.data
    case.succeeds()
    assert not case.hub.log(**data)[-1]["range"]


def test_row_27_404_once(case):
    case.fault({"status": 404})
    case.succeeds()
    assert len(case.addresses()) == 2


@pytest.mark.parametrize("where", ["data", "address"])
def test_row_27_404_for_ever(case, where):
    match = {} if where == "data" else case.address
    case.always({"status": 404}, **match)
    error = case.fails(66, "not_found")
    assert len(case.addresses_before_failure()) <= 2
    assert error["digest"] == case.digest


def test_row_28_the_name_moves_in_the_middle(case):
    case.hub.settings(bytes_per_second=2 * MIB)
    pull, first = start_pull(case), case.digest
    large = case.large
    case.put(Synthetic(2 * MIB, 77))
    assert case.digest != first
    case.hub.settings(bytes_per_second=0)
    pull.finish()
    case.large, case.digest = large, first
    case.check_right()


def test_row_28_the_name_goes_in_the_middle(case):
    case.hub.settings(bytes_per_second=2 * MIB)
    pull = start_pull(case)
    case.always({"status": 404}, target=case.metadata)
    case.always({"status": 404}, target=case.listing)
    case.hub.settings(bytes_per_second=0)
    pull.finish()
    case.check_right()


def start_pull(case):
    pull = RunningPull(case.castool, *case.words, case.source)
    pull.read_until(case.digest, 1)
    return pull


GONE = {410: (66, "not_found"), 451: (77, "unauthorized")}


@pytest.mark.parametrize("status", GONE)
@pytest.mark.parametrize("where", ["metadata", "address", "data"])
def test_row_29_gone_or_forbidden_by_law(case, status, where):
    match = {"metadata": {"target": case.metadata}, "address": case.address, "data": {}}[where]
    case.always({"status": status}, **match)
    case.fails(*GONE[status])
    asked = case.faulted_before_failure()
    assert len(asked) <= (case.connections if where == "data" else 1)
