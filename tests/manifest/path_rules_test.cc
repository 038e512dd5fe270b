#include "manifest/path_rules.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::manifest {
namespace {

using testing::HasSubstr;

std::string repeated(std::size_t times, const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

const std::vector<std::string>& good_names() {
  static const std::vector<std::string> all{
      "a",
      "config.json",
      "onnx/model.onnx",
      "a/b/c/d/e",
      "with space.txt",
      " leading",
      "trailing ",
      "hash#tag",
      "100%.txt",
      "%2e%2e",
      "q?.txt",
      "star*.txt",
      "[x].txt",
      "a:b",
      "\"quoted\"",
      "it's",
      "semi;colon",
      "$(x)",
      "`x`",
      "~",
      "-rf",
      "...",
      "..a",
      "a..",
      ".hidden",
      ".gitattributes",
      ".gitignore",
      "git",
      "a.git",
      ".git2",
      "x/.github/y",
      "\xc3\xa9.txt",
      "e\xcc\x81.txt",
      "\xe6\x97\xa5\xe6\x9c\xac.txt",
      "\xf0\x9f\xa4\x97.bin",
      "CON",
      "nul.txt",
      "__init__.py",
      "1_Pooling/config.json",
      std::string(255, 'a'),
      repeated(63, "a/") + "a",
      repeated(16, std::string(254, 'b') + "/") + "c",
  };
  return all;
}

const std::vector<std::string>& bad_names() {
  static const std::vector<std::string> all{
      "",
      "/",
      "/etc/passwd",
      "//x",
      "a/",
      "a//b",
      "a///b",
      ".",
      "..",
      "./a",
      "../a",
      "a/.",
      "a/..",
      "a/./b",
      "a/../b",
      "../../etc/passwd",
      "a/b/../../../c",
      std::string("a\0b", 3),
      std::string("\0", 1),
      "a\nb",
      "a\rb",
      "a\tb",
      "a\x01",
      "a\x1b[2J",
      "a\x7f",
      "a\xc2\x80",
      "a\xc2\x9b",
      "a\\b",
      "..\\a",
      "C:\\x",
      ".git",
      ".GIT",
      ".Git/config",
      "a/.git",
      "a/.gIt/hooks/post-checkout",
      "a\xff",
      "\xc0\xae\xc0\xae/a",
      "\xc0\xaf",
      "\xe0\x80\xaf",
      "\xed\xa0\x80",
      "\xf4\x90\x80\x80",
      "\xf8\x88\x80\x80\x80",
      "a/\xe2\x82",
      std::string(256, 'a'),
      "a/" + std::string(256, 'b') + "/c",
      repeated(64, "a/") + "a",
      repeated(17, std::string(240, 'b') + "/"),
      repeated(17, std::string(240, 'b') + "/") + "c",
      std::string(5000, 'a'),
  };
  return all;
}

TEST(CheckPath, TakesOddButHarmlessNames) {
  for (const std::string& name : good_names()) {
    const auto status = check_path(name);
    EXPECT_TRUE(status) << status.error().message;
  }
}

TEST(CheckPath, RefusesWhatCouldEscapeOrConfuse) {
  for (const std::string& name : bad_names()) {
    const auto status = check_path(name);
    ASSERT_FALSE(status) << testing::PrintToString(name);
    EXPECT_EQ(status.error().code, base::Code::kBadManifest);
    for (const char c : status.error().message) {
      EXPECT_TRUE(c >= 0x20 && c < 0x7f) << status.error().message;
    }
  }
}

TEST(CheckPath, TheCorpusHasAtLeastEightyNames) {
  EXPECT_GE(good_names().size() + bad_names().size(), 80u);
}

TEST(CheckPath, NamesTheRule) {
  EXPECT_EQ(check_path("a/../b").error().message,
            "refused file name \"a/../b\": a component \".\" or \"..\"");
  EXPECT_THAT(check_path("a\nb").error().message, HasSubstr("\"a\\x0ab\": a control character"));
}

TEST(CheckPath, CountsBytesExactly) {
  const std::string component(254, 'b');
  const std::string path = repeated(16, component + "/");  // 4080 bytes
  EXPECT_TRUE(check_path(path + std::string(15, 'c')));    // 4095
  EXPECT_FALSE(check_path(path + std::string(16, 'c')));
}

TEST(CheckPathSet, RefusesDuplicatesAndClashes) {
  const auto refused = [](const std::vector<std::string>& paths) {
    const auto status = check_path_set(paths);
    return status ? std::string("accepted") : status.error().message;
  };
  EXPECT_EQ(refused({}), "accepted");
  EXPECT_EQ(refused({"a", "b/a", "b/c", "a.b", "ab/c"}), "accepted");
  EXPECT_EQ(refused({"A", "a", "e\xcc\x81", "\xc3\xa9"}), "accepted");  // case and form count
  EXPECT_THAT(refused({"a", "b", "a"}), HasSubstr("\"a\": the name occurs twice"));
  EXPECT_THAT(refused({"a", "a-b", "a/b"}), HasSubstr("\"a\": the name is both"));
  EXPECT_THAT(refused({"x/y/z/w", "x/y"}), HasSubstr("\"x/y\": the name is both"));
}

}  // namespace
}  // namespace castool::manifest
