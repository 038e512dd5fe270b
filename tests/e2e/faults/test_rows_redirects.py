"""Rows 30 to 34: answers that lead somewhere else, or come from somewhere else."""

import contextlib
import shutil
import urllib.parse

import pytest

from hub import Hub, Synthetic
from rows import MIB


def places(case):
    """Where a redirect can stand: at the data, and where the address is asked for."""
    return {"data": {"origin": "cdn", "ranged": True, "covers": 0}, "address": case.address}


@pytest.mark.parametrize("where", ["data", "address"])
def test_row_30_a_loop(case, where):
    case.always({"redirect_loop": True}, **places(case)[where])
    case.fails(69, "unavailable", "redirect")
    # Eleven requests: the first, and the ten redirects that are followed.
    assert len(case.faulted_before_failure()) <= 11


@pytest.mark.parametrize("where", ["data", "address"])
def test_row_30_ten_are_followed(case, where):
    # Each Location is a path without a host, so this is the relative redirect too. The address
    # itself comes by one more.
    times = 10 if where == "data" else 9
    case.fault({"redirect_loop": True}, times, **places(case)[where])
    case.succeeds()
    assert case.hub.fault_hits() == [times]


@pytest.mark.parametrize("where", ["data", "address"])
def test_row_30_eleven_are_not(case, where):
    case.fault({"redirect_loop": True}, 11, **places(case)[where])
    case.fails(69, "unavailable", "more than 10")


@pytest.mark.parametrize("where", ["data", "address"])
def test_row_30_without_a_location(case, where):
    case.always({"status": 302, "body": "", "remove_headers": ["Location"]},
                **places(case)[where])
    case.fails(69, "unavailable", "Location")
    assert len(case.faulted_before_failure()) == 1


def test_row_30_relative(case):
    case.fault({"redirect_loop": True})  # its Location is a path without a host
    case.succeeds()
    assert case.hub.fault_hits() == [1]


@pytest.mark.parametrize("scheme", ["ftp", "file", "gopher", "javascript"])
@pytest.mark.parametrize("where", ["data", "address"])
def test_row_31_another_scheme(case, where, scheme):
    path = "/etc/hostname" if scheme == "file" else "127.0.0.1/x"
    case.always({"location": f"{scheme}://{path}"}, **places(case)[where])
    case.fails(69, "unavailable", "redirect refused")
    assert len(case.faulted_before_failure()) == 1


def test_row_31_from_https_to_http(case, tls_front):
    """The Hub speaks TLS and its CDN does not: nothing is asked of the CDN."""
    case.at(tls_front)
    case.fails(69, "unavailable", "https", then="nothing")
    assert case.hub.log(origin="cdn") == []


def test_row_31_a_private_address(case, public_address):
    """The Hub has a public address and its CDN a private one: nothing is asked of the CDN."""
    case.at(public_address)
    case.fails(69, "unavailable", "private", then="nothing")
    assert case.hub.log(origin="hub") and case.hub.log(origin="cdn") == []


@pytest.mark.parametrize("where", ["data", "address"])
def test_row_32_a_location_without_a_redirect(case, where):
    lure = {"headers": {"Location": f"{case.hub.url}/canary"}}
    case.always(lure, origin="cdn")
    if where == "address":  # answered there, by 200
        case.hub.settings(regular_style="direct", blob_style="location")
        case.always(lure, target="/resolve/" if case.at_hub else "/blobs/", method="GET")
    case.succeeds()
    assert case.hub.log(target="canary") == []


def test_row_33_the_etag_changes_once(case):
    case.put(Synthetic(10 * MIB + 17, 4))
    case.fault({"etag": '"another"'}, 1, origin="cdn", ranged=True, covers=5 * MIB)
    case.succeeds()
    assert case.hub.fault_hits() == [1]
    assert len(case.addresses()) >= 2  # asked for a new address
    assert len(case.ranges()) > 1


def test_row_33_a_strong_etag_is_sent_back(case):
    case.put(Synthetic(24 * MIB + 17, 4))
    case.succeeds()
    conditions = [entry["headers"].get("If-Range") or entry["headers"].get("If-Match")
                  for entry in case.ranges()]
    assert conditions[0] is None
    named = [condition for condition in conditions if condition]
    assert named and len(set(named)) == 1 and named[0].startswith('"')


def test_row_33_a_weak_etag_is_not_sent_back(case):
    case.always({"etag": 'W/"weak"'})
    case.succeeds()
    assert not [entry for entry in case.ranges()
                if "If-Range" in entry["headers"] or "If-Match" in entry["headers"]]


def test_row_33_other_bytes_from_the_middle_on(case):
    """The file is replaced while it is fetched: the digest decides."""
    case.put(Synthetic(10 * MIB + 17, 4))
    case.always({"garble": True, "etag": '"replaced"'}, origin="cdn", ranged=True,
                range_from=5 * MIB)
    case.fails(65, "digest_mismatch", case.digest, within=30)


@contextlib.contextmanager
def mirror_of(case):
    """Another hub with the same model; its CDN stands in for a second replica of the first."""
    with Hub() as other:
        for name in ("hub", "registry"):
            if (case.hub.root / name).exists():
                shutil.copytree(case.hub.root / name, other.root / name)
        other.reload()
        yield other


def send_to(case, mirror, times, after=0):
    """So many answers for the address of the large blob lead to the mirror."""
    case.hub.settings(registry_auth=False)
    resolve = f"/acme/m/resolve/{case.commit}/weights.bin"
    answer = case.hub.get(resolve if case.at_hub else f"/v2/library/m/blobs/{case.digest}",
                          method="HEAD" if case.at_hub else "GET")
    location = urllib.parse.urlsplit(answer.headers["location"])
    there = urllib.parse.urlunsplit(location._replace(netloc=mirror.cdn_url.split("//")[1]))
    case.hub.fault({"headers": {"Location": there}}, times=times, after=after, **case.address)
    case.hub.clear_log()


def test_row_34_one_replica_for_one_blob(case):
    case.put(Synthetic(12 * MIB + 17, 4))
    with mirror_of(case) as mirror:
        send_to(case, mirror, times=-1, after=1)  # every answer but the first
        case.succeeds()
        assert not [entry for entry in mirror.log(origin="cdn") if entry["range"]]
    assert case.ranges()


def test_row_34_a_replica_that_is_wrong(case):
    with mirror_of(case) as mirror:
        mirror.fault({"flip_at": 3 * MIB + 5}, origin="cdn", times=-1)
        send_to(case, mirror, times=1)
        case.succeeds()
        # The second copy came from the other replica, and so did the chunk that differs.
        assert mirror.log(origin="cdn") and case.ranges()


def test_row_34_both_replicas_are_wrong(case):
    with mirror_of(case) as mirror:
        mirror.fault({"flip_at": 3 * MIB + 5}, origin="cdn", times=-1)
        case.always({"flip_at": MIB + 5}, origin="cdn", ranged=True)
        send_to(case, mirror, times=1)
        case.fails(65, "digest_mismatch", case.digest, within=30)
