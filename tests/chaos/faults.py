"""The faults that chaos draws from: what an origin can do to an answer, each as a rule of the hub.

A kind is *mild* where one strike of it has to be overcome: the pull that met it succeeds. A strike
of the others, or several at once, may end a pull, but only with a status that is for such a case.
"""

import dataclasses
from typing import Any, Callable

MIB = 1 << 20
PAGE = "<!DOCTYPE html><html><body>Please log in to the hotel</body></html>"

# Which requests a fault is for. "bytes": parts of blobs; "address": where a blob is; "small": files
# that are fetched whole; "names": what resolves a name and lists its files.
SCOPES = {
    "hub": {
        "bytes": {"origin": "cdn"},
        "address": {"origin": "hub", "method": "HEAD", "target": "/resolve/"},
        "small": {"origin": "hub", "method": "GET", "target": "/resolve/"},
        "names": {"origin": "hub", "target": "/api/models/"},
    },
    "registry": {
        "bytes": {"origin": "cdn"},
        "address": {"origin": "hub", "target": "/blobs/"},
        "names": {"origin": "hub", "target": "/manifests/"},
    },
}

ANYWHERE = ("bytes", "bytes", "bytes", "bytes", "address", "small", "names")
BYTES = ("bytes",)
CONTENT = ("bytes", "bytes", "small")


@dataclasses.dataclass(frozen=True)
class Kind:
    name: str
    action: Callable[[Any], dict]  # random.Random -> action of a rule
    scopes: tuple = ANYWHERE
    mild: tuple = ANYWHERE  # scopes where one strike must be overcome

    @property
    def may_last(self):
        """Whether it may strike every request. Told to wait, a pull gives up after a quarter of an
        hour; and while each answer brings some bytes it goes on, as it should: both take too long."""
        creeping = ("cut", "reset", "stall", "trickle", "wrong length", "two lengths", "short range")
        return self.name not in creeping and "429" not in self.name and "503" not in self.name


def size(chance):
    """A number of bytes, most often near the edge of something."""
    edge = chance.choice([0, 1, 4096, 65536, MIB, 2 * MIB])
    return max(0, edge + chance.choice([-1, 0, 1, chance.randrange(-5000, 5000)]))


def status(code):
    return lambda chance: {"status": code}


def fixed(action):
    return lambda chance: action


def told_to_wait(code):
    def action(chance):
        return {"status": code, "retry_after": chance.choice([0, 1, 2])}
    return action


def away(chance):
    return {"location": chance.choice([
        "http://127.0.0.1:9/nothing", "ftp://127.0.0.1/x", "//", "http://[::1", "file:///etc/passwd",
        "http://user:password@127.0.0.1:9/x", "/other"])}


def lengths(chance):
    wrong = chance.choice([{"length_delta": chance.choice([-1, 1, 1000])},
                           {"declared_length": chance.choice([0, 1, 1 << 40])}])
    return wrong


def other_range(chance):
    part = chance.choice(["start", "end", "total"])
    return {"content_range": {part: chance.choice([-MIB, -1, 1, MIB])}}


KINDS = [
    *(Kind(f"status {code}", status(code)) for code in (408, 500, 502, 503, 504, 429)),
    Kind("429 and a wait", told_to_wait(429)),
    Kind("503 and a wait", told_to_wait(503)),
    Kind("429 and too long a wait", fixed({"status": 429, "retry_after": 100_000}), mild=()),
    *(Kind(f"status {code}", status(code), mild=BYTES) for code in (401, 403, 404, 416)),
    *(Kind(f"status {code}", status(code), mild=()) for code in (204, 206, 301, 400, 407, 410, 451)),
    Kind("expired addresses", fixed({"expire_signatures": True}), BYTES, BYTES),
    Kind("cut", lambda chance: {"cut_after": size(chance)}),
    Kind("reset", lambda chance: {"reset_after": size(chance)}),
    Kind("closed without an answer", fixed({"close": True})),
    Kind("reset without an answer", fixed({"reset": True})),
    Kind("closed after the answer", fixed({"close_after": True})),
    Kind("stall", lambda chance: {"stall_after": size(chance), "stall_ms": 3000}),
    Kind("pause", lambda chance: {"stall_after": size(chance), "stall_ms": 50}),
    Kind("trickle", lambda chance: {"trickle_bytes": 100_000, "trickle_ms": 10}),
    Kind("slow header", fixed({"header_trickle_ms": 1})),
    Kind("late", lambda chance: {"delay_ms": chance.randrange(100)}),
    Kind("no length", fixed({"no_length": True})),
    Kind("chunked", fixed({"chunked": True})),
    Kind("chunked and cut", fixed({"chunked_no_end": True})),
    Kind("wrong length", lengths, mild=BYTES),
    Kind("more than asked", lambda chance: {"extra_bytes": 1 + size(chance)}, CONTENT, BYTES),
    Kind("range ignored", fixed({"ignore_range": True}), BYTES, BYTES),
    Kind("other range", other_range, BYTES, BYTES),
    Kind("multipart", fixed({"multipart": True}), BYTES, BYTES),
    Kind("short range", lambda chance: {"shorten": 1 + size(chance)}, BYTES, BYTES),
    Kind("no Content-Range", fixed({"remove_headers": ["Content-Range"]}), BYTES, BYTES),
    Kind("flip", lambda chance: {"flip_at": size(chance)}, CONTENT, BYTES),
    Kind("early flip", lambda chance: {"flip_at": chance.randrange(10)}, CONTENT, CONTENT),
    Kind("flips", lambda chance: {"flip_at": [size(chance) for _ in range(4)]}, CONTENT, ()),
    Kind("garbled", fixed({"garble": True}), mild=CONTENT),
    Kind("a page", fixed({"status": 200, "body": PAGE, "headers": {"Content-Type": "text/html"}}),
         mild=BYTES),
    Kind("an empty answer", fixed({"status": 200, "body": ""}), mild=BYTES),
    Kind("compressed", fixed({"headers": {"Content-Encoding": "gzip"}}), mild=BYTES),
    Kind("other ETag", fixed({"etag": '"another"'}), BYTES, BYTES),
    Kind("redirect loop", fixed({"redirect_loop": True}), mild=()),
    Kind("sent away", away, mild=()),
    Kind("not HTTP", fixed({"raw": "SSH-2.0-OpenSSH_9\r\n\r\n"})),
    Kind("two lengths", fixed({"add_headers": [["Content-Length", "7"]]}), mild=()),
    Kind("103 before it", fixed({"before": "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"})),
]
