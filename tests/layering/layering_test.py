"""The tree follows house_rules.py, and each rule sees the violation it is for."""

import pathlib
import sys
import tempfile
import unittest

import house_rules

ROOT = pathlib.Path(__file__).resolve().parents[2]


class TheTree(unittest.TestCase):
    def test_follows_every_rule(self):
        problems = [problem for check in house_rules.CHECKS for problem in check(ROOT)]
        self.assertEqual([], problems, "\n" + "\n".join(problems))

    def test_is_the_tree(self):
        # An empty listing would make every rule hold.
        names = house_rules.files_below(ROOT, house_rules.SOURCE_SUFFIXES)
        for room in ("base", "cas", "fetch", "manifest", "pull", "fusefs", "api", "tools"):
            self.assertTrue(any(name.startswith(room + "/") for name in names), room)

    def test_has_no_stale_exception(self):
        for name, allowed in house_rules.LONGER_FILES.items():
            limit = (house_rules.MAX_HEADER_LINES if name.endswith(".h")
                     else house_rules.MAX_FILE_LINES)
            lines = len(house_rules.read_lines(ROOT, name))
            self.assertGreater(lines, limit, f"{name} needs no exception any more")
            self.assertLessEqual(lines, allowed, name)


# check, file to plant, its text, a word of the violation; None: must be accepted.
PLANTED = [
    ("check_arrows", "cas/a.cc", '#include "fetch/http.h"\n', "cas must not include fetch"),
    ("check_arrows", "base/a.h", '#include "cas/store.h"\n', "base must not include cas"),
    ("check_arrows", "fusefs/a.cc", '  # include "pull/puller.h"\n', "fusefs must not include pull"),
    ("check_arrows", "cas/a.cc", '#include "store.h"\n', "start at the root"),
    ("check_arrows", "cas/a.cc", '#include "../fetch/http.h"\n', "start at the root"),
    ("check_arrows", "tests/cas/a_test.cc", '#include "manifest/source.h"\n', "cas must not include"),
    ("check_arrows", "pull/a.cc", '#include "tests/support/fake.h"\n', "a test's header"),
    ("check_arrows", "pull/a.cc", '#include "cas/store.h"\n#include "pull/puller.h"\n', None),
    ("check_arrows", "tests/support/a.h", '#include "fetch/http.h"\n', None),
    ("check_links", "cas/CMakeLists.txt", "castool_room(cas\n  SOURCES a.cc\n  ROOMS base fetch\n"
                                          "  PRIVATE x)\n", "cas must not link fetch"),
    ("check_links", "pull/CMakeLists.txt", "castool_room(pull SOURCES a.cc ROOMS base cas)\n", None),
    ("check_third_party", "cas/a.cc", "#include <curl/curl.h>\n", "belongs to"),
    ("check_third_party", "fetch/http.h", "#include <curl/curl.h>\n", "belongs to"),
    ("check_third_party", "fusefs/mount.cc", "#include <fuse3/fuse_lowlevel.h>\n", "belongs to"),
    ("check_third_party", "fusefs/mount.cc", "#include <fuse_lowlevel.h>\n", "belongs to"),
    ("check_third_party", "manifest/hub_json.h", "#include <nlohmann/json.hpp>\n", "belongs to"),
    ("check_third_party", "cas/store.cc", "#include <openssl/evp.h>\n", "belongs to"),
    ("check_third_party", "cas/store.cc", "#include <boost/asio.hpp>\n", "no header that this"),
    ("check_third_party", "fetch/curl_handle.cc", "#include <curl/curl.h>\n", None),
    ("check_third_party", "cas/a.cc", "#include <sys/mman.h>\n#include <vector>\n", None),
    ("check_lengths", "cas/a.cc", "//\n" * 401, "401 lines, 400"),
    ("check_lengths", "cas/a.h", "//\n" * 201, "201 lines, 200"),
    ("check_lengths", "tools/try", "#\n" * 401, "401 lines, 400"),
    ("check_lengths", "cas/a.cc", "//\n" * 400, None),
    ("check_banned_calls", "cas/a.cc", 'int f() { return ::rename("a", "b"); }\n', "base::FileOps"),
    ("check_banned_calls", "pull/a.cc", "std::filesystem::remove_all(p);\n", "base::FileOps"),
    ("check_banned_calls", "cas/a.cc", "::close(fd);\n", "UniqueFd"),
    ("check_banned_calls", "tools/a.cc", 'std::system("ls");\n', "no shell"),
    ("check_banned_calls", "tests/cas/a.cc", "std::this_thread::sleep_for(1s);\n", "deadline"),
    ("check_banned_calls", "tests/cas/a.cc", "sleep(1);\n", "deadline"),
    ("check_banned_calls", "fetch/a.cc", "thread.detach();\n", "jthread"),
    ("check_banned_calls", "fetch/a.cc", 'getenv("HOME");\n', "settings"),
    ("check_banned_calls", "fetch/a.cc", "std::cerr << 1;\n", "base::Log"),
    ("check_banned_calls", "fetch/a.cc", "// TO" "DO: later\n", "finish it"),
    ("check_banned_calls", "fetch/a.cc", "f();  // NOLINT\n", "names its check"),
    ("check_banned_calls", "fetch/a.cc", "f();  // NOLINT(bugprone-x): C callback\n", None),
    ("check_banned_calls", "fetch/a.cc", '// ::rename() and system()\nf("sleep(1)");\n', None),
    ("check_banned_calls", "cas/a.cc", "files.rename(a, b);\nfile_system(1);\n", None),
    ("check_addresses", "docs/a.md", "see /" "home/me/notes\n", "somebody's machine"),
    ("check_addresses", "tools/get", "curl https://" "mirror.acme.io/x\n", "no host that this"),
    ("check_addresses", "docs/a.md", "https://huggingface.co/a http://127.0.0.1:80/models/x\n", None),
]


class EachRule(unittest.TestCase):
    def test_sees_what_it_is_for(self):
        for check, name, text, expected in PLANTED:
            with self.subTest(check=check, file=name, text=text[:60]):
                with tempfile.TemporaryDirectory() as root:
                    path = pathlib.Path(root) / name
                    path.parent.mkdir(parents=True)
                    path.write_text(text)
                    problems = getattr(house_rules, check)(root)
                if expected is None:
                    self.assertEqual([], problems)
                else:
                    self.assertEqual(1, len(problems), problems)
                    self.assertIn(expected, problems[0])
                    self.assertTrue(problems[0].startswith(name + ":"), problems[0])

    def test_is_tried(self):
        tried = {check for check, *_ in PLANTED}
        self.assertEqual({check.__name__ for check in house_rules.CHECKS}, tried)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
