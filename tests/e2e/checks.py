"""What several files of end-to-end tests check: trees of files, errors, secrets."""

import hashlib
import os
import pathlib
import random
import stat

import harness
from hub import Synthetic


def scaled(size):
    """`size`, or a sixteenth of it under a sanitizer, which makes everything slower."""
    return size // 16 if os.environ.get("CASTOOL_SANITIZE") else size


def content(source):
    """The bytes of a file as models.py describes it."""
    return source.encode() if isinstance(source, str) else source


def digest_of(source, hub=None):
    """sha256:... of a file as models.py describes it; the hub made those of synthetic files."""
    if isinstance(source, Synthetic):
        key = f"{source.size} {source.seed} "
        for known in hub.root.rglob("*.synthetic.sha256"):
            line = known.read_text()
            if line.startswith(key):
                return "sha256:" + line[len(key):].strip()
        raise AssertionError(f"the hub knows no {source}")
    return "sha256:" + hashlib.sha256(content(source)).hexdigest()


def size_of(source):
    return source.size if isinstance(source, Synthetic) else len(content(source))


def total_size(files):
    """Bytes of the distinct contents."""
    return sum(size_of(source) for source in {repr(s): s for s in files.values()}.values())


def files_below(folder):
    """Relative paths of everything below that is no directory."""
    folder = pathlib.Path(folder)
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def assert_same_file(path, source, hub=None):
    assert os.stat(path).st_size == size_of(source), path
    if isinstance(source, Synthetic):
        assert harness.sha256_of(path) == digest_of(source, hub), path
        # The digest is the hub's word; the generator here is another writing of the same function.
        chance = random.Random(source.seed)
        with open(path, "rb") as file:
            for _ in range(20):
                offset = chance.randrange(source.size)
                file.seek(offset)
                assert file.read(100) == source.read(offset, 100), (path, offset)
    else:
        assert pathlib.Path(path).read_bytes() == content(source), path


def assert_same_tree(folder, files, hub=None, generated=()):
    """`folder` holds `files` byte by byte, `generated` ones besides, and nothing else."""
    assert files_below(folder) == set(files) | set(generated)
    for path, source in files.items():
        assert_same_file(pathlib.Path(folder) / path, source, hub)


def assert_blobs_are_right(store):
    """Every published blob hashes to its name and cannot be written."""
    seen = 0
    for path in pathlib.Path(store).glob("blobs/sha256/??/*"):
        assert harness.sha256_of(path) == "sha256:" + path.name
        assert path.parent.name == path.name[:2]
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
        seen += 1
    return seen


def blob_path(store, digest):
    hexadecimal = digest.removeprefix("sha256:")
    return pathlib.Path(store) / "blobs" / "sha256" / hexadecimal[:2] / hexadecimal


def snapshot(folder, leave_out=()):
    """{path: what would change if somebody wrote there} of everything below `folder`."""
    found = {}
    for place, directories, files in os.walk(folder):
        directories[:] = [name for name in directories
                          if os.path.join(place, name) not in map(str, leave_out)]
        for name in [".", *files]:
            path = os.path.join(place, name)
            facts = os.lstat(path)
            value = (facts.st_mode, facts.st_ino)
            # The runtime of a sanitizer makes and removes a file in TMPDIR.
            if name != "." or os.path.basename(place) != harness.TMP_NAME:
                value += (facts.st_mtime_ns,)
            if stat.S_ISREG(facts.st_mode):
                value += (facts.st_size, harness.sha256_of(path))
            found[path] = value
    return found


def assert_error(outcome, status, word, *said):
    """One line on standard error; with --json also the error object; returns the line."""
    assert outcome.status == status, (outcome.status, outcome.out, outcome.err)
    lines = outcome.err.splitlines()
    assert len(lines) == 1 and outcome.err.endswith("\n"), outcome.err
    assert lines[0].startswith("castool: "), lines
    assert lines[0].isprintable(), lines
    for text in said:
        assert text in lines[0], (text, lines[0])
    if word is not None:
        [error] = [entry["error"] for entry in outcome.json if "error" in entry]
        assert error["code"] == word, error
        assert set(error) == {"code", "message", "digest", "url"}
        assert lines[0].startswith("castool: " + error["message"])
    return lines[0]


def assert_nowhere(secret, *texts, folders=()):
    """The secret stands in no text, and in no file or file name below the folders."""
    wanted = secret.encode()
    for text in texts:
        assert wanted not in (text if isinstance(text, bytes) else text.encode()), secret
    for folder in folders:
        for path in pathlib.Path(folder).rglob("*"):
            assert secret not in str(path)
            if path.is_file():
                assert wanted not in path.read_bytes(), path
