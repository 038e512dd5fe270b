"""The rules of the tree that no compiler checks. Each returns violations as "file:line: sentence".

The tables are the rules: CONTRIBUTING.md explains them, this file decides.
"""

import pathlib
import re

# Room -> rooms whose headers it may include (docs/architecture.md).
ARROWS = {
    "base": set(),
    "cas": {"base"},
    "fetch": {"base"},
    "manifest": {"base"},
    "pull": {"base", "cas", "fetch", "manifest"},
    "fusefs": {"base", "cas", "manifest"},
    "api": {"base", "cas", "manifest", "pull"},
    "tools": {"base", "cas", "fetch", "manifest", "pull", "fusefs", "api"},
}

# Other people's header -> the files that may know it.
THIRD_PARTY = [
    (r"curl/", r"fetch/curl_\w+\.(h|cc)"),
    (r"fuse|linux/fuse\.h", r"fusefs/session\w*\.cc"),
    (r"openssl/", r"base/hasher\.cc|pull/ollama_signature\.cc|tests/.*\.cc"),
    (r"xxhash", r"cas/checksum\.cc"),
    (r"nlohmann/", r"(manifest|api|tools)/.*\.cc|tests/.*"),
    (r"httplib", r"api/(http_connection|socket_stream)\.(h|cc)"),
    (r"CLI/", r"tools/.*\.cc"),
    (r"tl/", r"base/result\.h|fusefs/answer\.h"),  # there: an errno instead of an Error
    (r"fmt/", r"base/.*|.*\.cc"),
    (r"spdlog/", r"base/log\.cc"),
    (r"systemd/", r"tools/.*\.cc"),
    (r"(gtest|gmock)/", r"tests/.*"),
    (r"benchmark/", r"tests/bench/.*"),
]
SYSTEM_FOLDERS = {"sys", "linux", "netinet", "arpa", "asm", "net", "sanitizer"}

# Call -> where it may stand, and what to use elsewhere. Matched against code without comments and
# strings.
WRITE_CALLS = (r"rename|renameat|renameat2|unlink|unlinkat|mkdir|mkdirat|symlink|symlinkat|link|"
               r"linkat|fsync|fdatasync|ftruncate|pwrite|pwritev|fallocate|sync_file_range")
BANNED = [
    (r"(?<![\w>])::(" + WRITE_CALLS + r")\s*\(", r"base/file_ops\.cc|tests/.*",
     "use base::FileOps, so that tests can make it fail"),
    # A scratch directory is no part of a store, and nothing depends on its removal.
    (r"\bfilesystem::(rename|remove|remove_all|create_director\w+|copy|copy_file|resize_file)\b",
     r"tools/scratch_directory\.cc|tests/.*", "use base::FileOps, so that tests can make it fail"),
    (r"(?<![\w>])::close\s*\(", r"base/unique_fd\.h|tests/.*", "use base::UniqueFd"),
    (r"(?<![\w>.:])(std::|::)?(system|popen)\s*\(", r"", "spawn with an argument list, no shell"),
    (r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|(?<!\w)::sleep\s*\(|(?<![\w>.:])sleep\s*\(\s*\d",
     r"",
     "wait for the event itself, with a deadline or a stop token"),
    (r"thread\w*\.detach\s*\(", r"", "own the thread: std::jthread"),
    # libcurl reads the proxy variables itself; its transport has to know whether there are any.
    (r"\bgetenv\s*\(", r"tools/.*|tests/.*|fetch/curl_transport\.cc",
     "settings are read in tools/ and passed in"),
    (r"\bstd::regex\b", r"", "write the few lines of parsing"),
    (r"\b(sprintf|strcpy|strcat|strtok|atoi|atol|gets)\s*\(", r"",
     "use fmt, std::string or std::from_chars"),
    (r"\bstd::(cout|cerr)\b|(?<![\w:])(printf|puts|fputs)\s*\(", r"(tools|tests)/.*",
     "say it through base::Log or a Result"),
    (r"(?<![\w>.:])(std::|::)?_?exit\s*\(", r"(tools|tests)/.*", "return an error"),
]
BANNED_WORDS = [
    (r"\b(TODO|FIXME|XXX)\b", "finish it, or open an issue"),
    (r"NOLINT(?!\w*\([\w.,-]+\): \S)", "a NOLINT names its check and a reason: NOLINT(check): why"),
]

MAX_FILE_LINES = 400
MAX_HEADER_LINES = 200
# file -> lines allowed, with the reason beside it. The goal is an empty table.
LONGER_FILES = {}

# Hosts that scripts, the build and the documentation may name.
HOSTS = (r"localhost|127\.0\.0\.1|\[::1\]|[\w-]+|(.+\.)?(example|test|invalid)|"
         r"(.+\.)?example\.(com|org|net)|(.+\.)?(huggingface\.co|hf\.co|ollama\.ai|ollama\.com)|"
         r"www\.apache\.org")
SOMEBODYS_PATH = re.compile(r"(?<![\w.~}>-])/(home|Users|work)/[\w.-]+")
MADE_UP_HOME = re.compile(r"/home/u\b")  # in tests of settings

SOURCE_SUFFIXES = {".h", ".cc"}
SCRIPT_SUFFIXES = {".py", ".sh", ""}
TEXT_SUFFIXES = SOURCE_SUFFIXES | SCRIPT_SUFFIXES | {".md", ".txt", ".cmake", ".json", ".conf"}
SKIPPED_FOLDERS = {".git", "build", "__pycache__", ".pytest_cache", "corpus", "data"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def files_below(root, suffixes):
    """Relative paths of the project's own files, sorted."""
    found = []
    for path in pathlib.Path(root).rglob("*"):
        relative = path.relative_to(root)
        skipped = any(part in SKIPPED_FOLDERS or part.startswith("build-")
                      for part in relative.parts[:-1])
        if not skipped and path.suffix in suffixes and path.is_file():
            found.append(relative.as_posix())
    return sorted(found)


def read_lines(root, name):
    return (pathlib.Path(root) / name).read_text(encoding="utf-8", errors="replace").splitlines()


def includes_of(root, name):
    for number, line in enumerate(read_lines(root, name), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def owner_of(name):
    """The room whose arrows a file follows, and whether it is a test of that room."""
    parts = name.split("/")
    if parts[0] == "tests":
        return (parts[1] if len(parts) > 2 else ""), True
    return parts[0], False


def check_arrows(root):
    problems = []
    for name in files_below(root, SOURCE_SUFFIXES):
        room, is_test = owner_of(name)
        for number, bracket, target in includes_of(root, name):
            if bracket != '"':
                continue
            into = target.split("/")[0]
            where = f"{name}:{number}: "
            if "/" not in target or into not in ARROWS and into != "tests":
                problems.append(f'{where}"{target}": project includes start at the root of the tree')
            elif into == "tests":
                if not is_test:
                    problems.append(f"{where}{room} includes a test's header, {target}")
            elif room in ARROWS and into != room and into not in ARROWS[room]:
                problems.append(f"{where}{room} must not include {into} ({target})")
    return problems


def check_links(root):
    """The ROOMS of every castool_room() are the arrows, so the build graph is the diagram."""
    problems = []
    for room, allowed in ARROWS.items():
        path = pathlib.Path(root) / room / "CMakeLists.txt"
        if not path.exists():
            continue
        text = path.read_text()
        for match in re.finditer(r"castool_room\((\w+)([^)]*)\)", text):
            rooms = re.search(r"\bROOMS\s+((?:[a-z]+\s*)+)", match.group(2))
            linked = set(rooms.group(1).split()) if rooms else set()
            for extra in sorted(linked - allowed):
                problems.append(f"{room}/CMakeLists.txt:1: {room} must not link {extra}")
    return problems


def third_party_problem(name, header):
    for pattern, allowed in THIRD_PARTY:
        if re.match(pattern, header):
            if re.fullmatch(allowed, name):
                return None
            return f"<{header}> belongs to {allowed}"
    folder = header.split("/")[0] if "/" in header else None
    if folder and folder not in SYSTEM_FOLDERS:
        return f"<{header}> is no header that this project knows; see THIRD_PARTY"
    return None


def check_third_party(root):
    problems = []
    for name in files_below(root, SOURCE_SUFFIXES):
        for number, bracket, header in includes_of(root, name):
            problem = third_party_problem(name, header) if bracket == "<" else None
            if problem:
                problems.append(f"{name}:{number}: {problem}")
    return problems


def check_lengths(root):
    problems = []
    for name in files_below(root, SOURCE_SUFFIXES | SCRIPT_SUFFIXES):
        if name == "LICENSE":
            continue
        limit = MAX_HEADER_LINES if name.endswith(".h") else MAX_FILE_LINES
        limit = LONGER_FILES.get(name, limit)
        lines = len(read_lines(root, name))
        if lines > limit:
            problems.append(f"{name}:{lines}: {lines} lines, {limit} are allowed")
    return problems


def code_only(text):
    """The text with comments and the insides of strings blanked, lines kept."""
    token = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)
    return token.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)


def check_banned_calls(root):
    problems = []
    for name in files_below(root, SOURCE_SUFFIXES):
        text = (pathlib.Path(root) / name).read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(code_only(text).splitlines(), 1):
            for pattern, allowed, instead in BANNED:
                match = re.search(pattern, line)
                if match and not re.fullmatch(allowed, name):
                    problems.append(f"{name}:{number}: {match.group(0).strip()}: {instead}")
        for number, line in enumerate(text.splitlines(), 1):
            for pattern, instead in BANNED_WORDS:
                if re.search(pattern, line):
                    problems.append(f"{name}:{number}: {instead}")
    return problems


def check_addresses(root):
    """Nobody's machine and no unknown host is written into the tree."""
    problems = []
    for name in files_below(root, TEXT_SUFFIXES):
        if name == "LICENSE":
            continue
        for number, line in enumerate(read_lines(root, name), 1):
            path = SOMEBODYS_PATH.search(line)
            made_up = path and name.startswith("tests/") and MADE_UP_HOME.match(path.group(0))
            if path and not made_up and not name.startswith("tests/layering/"):
                problems.append(f"{name}:{number}: {path.group(0)} is a path of somebody's machine")
            if name.startswith("tests/") or name.endswith((".cc", ".h")):
                continue
            for host in re.findall(r"https?://([\w.\-\[\]]+(?::\d+(?=\]))?)", line):
                bare = host.rstrip(".").split(":")[0] if not host.startswith("[") else host
                if not re.fullmatch(HOSTS, bare):
                    problems.append(f"{name}:{number}: {host} is no host that this project names")
    return problems


CHECKS = [check_arrows, check_links, check_third_party, check_lengths, check_banned_calls,
          check_addresses]
