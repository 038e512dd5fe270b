// What Python 3.11's fnmatch.fnmatchcase says, after '\' -> '/' and a trailing '/' -> "/*"; the
// expected values were printed by it.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "manifest/path_rules.h"

namespace castool::manifest {
namespace {

struct Case {
  std::string path;
  std::string pattern;
  bool matches;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"config.json", "*.json", true},
      {"a/b/config.json", "*.json", true},
      {"a/b/c", "a/*", true},
      {"a/b/c", "a/?/c", true},
      {"abc", "a?c", true},
      {"a/c", "a?c", true},
      {"Config.JSON", "*.json", false},
      {"model.safetensors", "*.[st]*", true},
      {"model-1.bin", "model-[0-9].bin", true},
      {"model-x.bin", "model-[!0-9].bin", true},
      {"model-1.bin", "model-[!0-9].bin", false},
      {"a]b", "a[]]b", true},
      {"ab", "a[]]b", false},
      {"a!b", "a[!!]b", false},
      {"axb", "a[!!]b", true},
      {"a[b", "a[b", true},
      {"a[b", "a[[]b", true},
      {"a-b", "a[-x]b", true},
      {"a-b", "a[x-]b", true},
      {"axb", "a[x-]b", true},
      {"a", "[z-a]", false},
      {"z", "[z-a]", false},
      {"m", "[!z-a]", true},
      {"b", "[a-c-e]", true},
      {"-", "[a-c-e]", true},
      {"d", "[a-c-e]", false},
      {"e", "[a-c-e]", true},
      {"é", "?", true},
      {"é", "[é]", true},
      {"ê", "[é-ë]", true},
      {"日本.txt", "??.txt", true},
      {"", "", true},
      {"", "*", true},
      {"", "?", false},
      {"a", "", false},
      {"a", "**", true},
      {"a/b", "**/b", true},
      {"b", "**/b", false},
      {"a.b", "a.b", true},
      {"axb", "a.b", false},
      {"a{b,c}", "a{b,c}", true},
      {"ab", "a{b,c}", false},
      {"^a", "[^]a", true},
      {"ba", "[^]a", false},
      {"a&b", "a[&~|]b", true},
      {"foo\nbar", "foo*bar", true},
      {".hidden", "*", true},
      {".hidden", "?hidden", true},
      {"aaaaab", "*a*b", true},
      {"aaaaac", "*a*b", false},
      {"dir/x/y", "dir/", true},
      {"dirx", "dir/", false},
      {"dir/", "dir/", true},
      {"dir/sub/f", "dir\\sub\\*", true},
      {"a[]", "a[]", true},
      {"a[!]", "a[!]", true},
      {"x]", "[!]a]]", true},
      {"b]", "[!]a]]", true},
      {"onnx/model.onnx", "onnx/*.onnx", true},
      {"onnx/q/model.onnx", "onnx/*.onnx", true},
      {"a", "[a", false},
      {"[a", "[a", true},
      {"--", "[--0]-", true},
      {".-", "[--0]-", true},
      {"abcabc", "*abc", true},
      {"abcab", "*abc", false},
      {"a*b", "a[*]b", true},
      {"axb", "a[*]b", false},
      {"a?b", "a[?]b", true},
  };
  return all;
}

TEST(MatchesPattern, AgreesWithPython) {
  for (const Case& c : cases()) {
    EXPECT_EQ(matches_pattern(c.path, c.pattern), c.matches) << c.path << " against " << c.pattern;
  }
}

TEST(MatchesPattern, ManyStarsEndSoon) {
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "a*";
  EXPECT_FALSE(matches_pattern(std::string(4000, 'a'), pattern + "b"));
  EXPECT_TRUE(matches_pattern(std::string(4000, 'a'), pattern));
}

TEST(MatchesPattern, BytesThatAreNotUtf8StandForThemselves) {
  EXPECT_TRUE(matches_pattern("a\xff", "a?"));
  EXPECT_TRUE(matches_pattern("a\xff", "a\xff"));
  EXPECT_FALSE(matches_pattern("a\xff", "a\xfe"));
}

TEST(Selected, NeedsOneIncludeAndNoExclude) {
  const std::vector<std::string> none;
  const std::vector<std::string> json{"*.json", "*.txt"};
  const std::vector<std::string> onnx{"onnx/"};
  EXPECT_TRUE(selected("a.bin", none, none));
  EXPECT_TRUE(selected("a.txt", json, none));
  EXPECT_FALSE(selected("a.bin", json, none));
  EXPECT_FALSE(selected("onnx/a.json", json, onnx));
  EXPECT_FALSE(selected("onnx/a.json", none, onnx));
  EXPECT_TRUE(selected("b/a.json", json, onnx));
}

}  // namespace
}  // namespace castool::manifest
