"""Rows 63 and 64: without an origin, and with several pulls of one blob."""

import signal

import pytest

from hub import Synthetic
from rows import MIB, SLACK
from running_pull import RunningPull


@pytest.mark.parametrize("origin", ["running", "stopped"])
def test_row_63_offline_with_everything_here(case, origin):
    first = case.succeeds()
    ports = case.hub.ports()
    case.hub.clear_log()
    if origin == "stopped":
        case.hub.stop()
    outcome = case.run(env={"HF_HUB_OFFLINE": "1"})
    assert outcome.status == 0, outcome.err
    assert case.seconds < 5 * SLACK
    assert outcome.json[-1]["manifest"] == first["manifest"]
    assert outcome.json[-1]["bytes_fetched"] == 0
    if origin == "stopped":
        case.hub.start(*ports)
    assert case.hub.log() == []


def test_row_63_offline_with_nothing_here(case):
    case.fails(69, "unavailable", "offline", then="nothing", within=5, env={"HF_HUB_OFFLINE": "1"})
    assert case.hub.log() == []
    case.succeeds()


def test_row_63_the_origin_is_gone(case):
    """Whoever does not say offline is told that nothing could be asked; what is here stays."""
    case.succeeds()
    ports = case.hub.ports()
    case.hub.stop()
    outcome = case.run()
    assert outcome.status == 69
    case.hub.start(*ports)
    case.check_right()


def nobody_ends(case):
    """The last byte is not to be had for now, and everything before it soon is."""
    case.castool.environment["CASTOOL_TIME_SCALE"] = str(case.scale)
    case.always({"stall_after": 0, "stall_ms": 60_000}, origin="cdn", ranged=True,
                covers=case.large.size - 1)
    case.hub.settings(bytes_per_second=4 * MIB)  # so that next to nothing waits in the sockets


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL],
                         ids=["interrupted", "terminated", "killed"])
def test_row_64_one_of_two_goes(case, how):
    case.put(Synthetic(16 * MIB + 17, 4))
    nobody_ends(case)
    stays = RunningPull(case.castool, *case.words, case.source)
    goes = RunningPull(case.castool, *case.words, case.source)
    goes.read_until(case.digest, MIB)
    status = goes.send(how)
    assert status == (-how if how == signal.SIGKILL else 130)
    case.hub.clear_faults()
    stays.finish()
    case.outputs += [stays.err, goes.err]
    case.check_right()
    in_flight = (case.connections + 1) * MIB
    assert case.hub.bytes_sent(origin="cdn") <= 1.05 * case.large.size + in_flight


def test_row_64_the_first_of_two_goes(case):
    """The one that began and has the most of the work is the one that is interrupted."""
    case.put(Synthetic(16 * MIB + 17, 4))
    nobody_ends(case)
    goes = RunningPull(case.castool, *case.words, case.source)
    goes.read_until(case.digest, MIB)
    stays = RunningPull(case.castool, *case.words, case.source)
    stays.read_until(case.digest, 2 * MIB)
    assert goes.send(signal.SIGINT) == 130
    case.hub.clear_faults()
    stays.finish()
    case.outputs += [stays.err, goes.err]
    case.check_right()
