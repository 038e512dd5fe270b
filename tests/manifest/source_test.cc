#include "manifest/source.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::manifest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Good {
  std::string text;
  Source source;
  std::string name;
  std::string shown;
};

OllamaSource ollama(std::string host, std::string ns, std::string model, std::string tag,
                    std::string scheme = "https") {
  return {std::move(scheme), std::move(host), std::move(ns), std::move(model), std::move(tag)};
}

const std::vector<Good>& good_sources() {
  static const std::string kHost = "registry.ollama.ai";
  static const std::vector<Good> all{
      {"hf://acme/x", HubSource{"acme/x", "main"}, "acme/x", "hf://acme/x@main"},
      {"hf://acme/x@v1", HubSource{"acme/x", "v1"}, "acme/x", "hf://acme/x@v1"},
      {"hf://gpt2", HubSource{"gpt2", "main"}, "gpt2", "hf://gpt2@main"},
      {"hf:acme/x", HubSource{"acme/x", "main"}, "acme/x", "hf://acme/x@main"},
      {"hf:acme/x@v1", HubSource{"acme/x", "v1"}, "acme/x", "hf://acme/x@v1"},
      {"acme/x", HubSource{"acme/x", "main"}, "acme/x", "hf://acme/x@main"},
      {"Acme/X-1.5@refs/pr/1", HubSource{"Acme/X-1.5", "refs/pr/1"}, "Acme/X-1.5",
       "hf://Acme/X-1.5@refs/pr/1"},
      {"acme/x@v1@2", HubSource{"acme/x", "v1@2"}, "acme/x", "hf://acme/x@v1@2"},
      {"https://huggingface.co/acme/x", HubSource{"acme/x", "main"}, "acme/x", "hf://acme/x@main"},
      {"https://huggingface.co/acme/x/", HubSource{"acme/x", "main"}, "acme/x", "hf://acme/x@main"},
      {"https://hf.co/acme/x", HubSource{"acme/x", "main"}, "acme/x", "hf://acme/x@main"},
      {"https://huggingface.co/acme/x/tree/v1", HubSource{"acme/x", "v1"}, "acme/x",
       "hf://acme/x@v1"},
      {"https://huggingface.co/acme/x/tree/refs%2Fpr%2F1", HubSource{"acme/x", "refs/pr/1"},
       "acme/x", "hf://acme/x@refs/pr/1"},
      {"https://huggingface.co/acme/x/tree/refs/pr/1", HubSource{"acme/x", "refs/pr/1"}, "acme/x",
       "hf://acme/x@refs/pr/1"},
      {"llama3.2", ollama(kHost, "library", "llama3.2", "latest"), "llama3.2:latest",
       "ollama://llama3.2:latest"},
      {"llama3.2:3b", ollama(kHost, "library", "llama3.2", "3b"), "llama3.2:3b",
       "ollama://llama3.2:3b"},
      {"Llama3.2:3B", ollama(kHost, "library", "Llama3.2", "3B"), "Llama3.2:3B",
       "ollama://Llama3.2:3B"},
      {"hf:latest", ollama(kHost, "library", "hf", "latest"), "hf:latest", "ollama://hf:latest"},
      {"me/m:t", ollama(kHost, "me", "m", "t"), "me/m:t", "ollama://me/m:t"},
      {"library/m:t", ollama(kHost, "library", "m", "t"), "m:t", "ollama://m:t"},
      {"ollama://me/m", ollama(kHost, "me", "m", "latest"), "me/m:latest", "ollama://me/m:latest"},
      {"ollama://m", ollama(kHost, "library", "m", "latest"), "m:latest", "ollama://m:latest"},
      {"h.example:5000/me/m", ollama("h.example:5000", "me", "m", "latest"),
       "h.example:5000/me/m:latest", "ollama://h.example:5000/me/m:latest"},
      {"h/library/m:t", ollama("h", "library", "m", "t"), "h/library/m:t",
       "ollama://h/library/m:t"},
      {"registry.ollama.ai/library/m:t", ollama(kHost, "library", "m", "t"), "m:t", "ollama://m:t"},
      {"http://127.0.0.1:5000/me/m:t", ollama("127.0.0.1:5000", "me", "m", "t", "http"),
       "127.0.0.1:5000/me/m:t", "http://127.0.0.1:5000/me/m:t"},
      {"https://h/me/m:t", ollama("h", "me", "m", "t"), "h/me/m:t", "ollama://h/me/m:t"},
      {"hf.co/u/r:Q4_K_M", ollama("hf.co", "u", "r", "Q4_K_M"), "hf.co/u/r:Q4_K_M",
       "ollama://hf.co/u/r:Q4_K_M"},
      {"https://hf.co/u/r:Q4_K_M", ollama("hf.co", "u", "r", "Q4_K_M"), "hf.co/u/r:Q4_K_M",
       "ollama://hf.co/u/r:Q4_K_M"},
      {"hf.co/u/r", ollama("hf.co", "u", "r", "latest"), "hf.co/u/r:latest",
       "ollama://hf.co/u/r:latest"},
  };
  return all;
}

TEST(ParseSource, ReadsEveryForm) {
  for (const Good& good : good_sources()) {
    const auto source = parse_source(good.text);
    ASSERT_TRUE(source) << good.text << ": " << source.error().text();
    EXPECT_EQ(*source, good.source) << good.text;
    EXPECT_EQ(ref_name(*source), good.name) << good.text;
    EXPECT_EQ(source_text(*source), good.shown) << good.text;
  }
}

TEST(ParseSource, TakesBackWhatItShows) {
  for (const Good& good : good_sources()) {
    const auto again = parse_source(good.shown);
    ASSERT_TRUE(again) << good.shown;
    EXPECT_EQ(*again, good.source) << good.shown;
  }
}

TEST(ParseSource, FromDecidesANameWithoutAScheme) {
  EXPECT_EQ(parse_source("gpt2", SourceKind::kHub).value(), Source(HubSource{"gpt2", "main"}));
  EXPECT_EQ(parse_source("a/b", SourceKind::kOllama).value(),
            Source(ollama("registry.ollama.ai", "a", "b", "latest")));
  EXPECT_EQ(parse_source("hf://a/b", SourceKind::kOllama).value(),
            Source(HubSource{"a/b", "main"}));
  EXPECT_FALSE(parse_source("a/b:q", SourceKind::kHub));
}

TEST(ParseSource, RefusesTricksWithOneLineThatHelps) {
  const std::vector<std::string> bad{"",
                                     " ",
                                     "a b/c",
                                     "hf://",
                                     "hf:///",
                                     "hf://a/b/c",
                                     "hf://a/../b",
                                     "hf://../..",
                                     "a/..",
                                     "../a",
                                     "..",
                                     ".",
                                     "/",
                                     "/a",
                                     "a/",
                                     "a//b",
                                     "a/b/c/d",
                                     "a/b/c/d:t",
                                     "hf://a/b@",
                                     "a/b@..",
                                     "a/b@x y",
                                     "a/b@a..b",
                                     "a/b@/x",
                                     "a/b@x/",
                                     "a/b@x//y",
                                     "a/b@x%2Fy",
                                     "a/b@x?y",
                                     "a/b@x#y",
                                     "a/b@@{1}",
                                     "a/b@x~1",
                                     "a/b@x^",
                                     "a/b@x:y",
                                     "a/b@.x",
                                     "a/b@x.lock",
                                     "m:",
                                     ":t",
                                     "m:t:u",
                                     "m@sha256:00",
                                     "m?x",
                                     "m#x",
                                     "m%2e",
                                     "a%2Fb",
                                     "m\\x",
                                     "m\nx",
                                     "m\x1b[0m",
                                     "m\x7f",
                                     "\xff/a",
                                     "\xc2\x9b/a",
                                     "é",
                                     "ns.dot/m:t",
                                     "-m",
                                     ".m",
                                     "http://h/m",
                                     "http://h",
                                     "http://",
                                     "http://u:p@h/n/m",
                                     "http://h/n/m?q",
                                     "https://h/n/m/x",
                                     "https://huggingface.co/",
                                     "https://huggingface.co/datasets/a/b",
                                     "https://huggingface.co/spaces/a/b",
                                     "https://huggingface.co/a/b/blob/main/x.json",
                                     "https://huggingface.co/a/b/tree/main/dir",
                                     "https://huggingface.co/a/b/tree/",
                                     "ftp://h/n/m",
                                     "file:///etc/passwd",
                                     "ollama://",
                                     "ollama://a/b/c/d",
                                     "ollama://../m",
                                     "[::1]/n/m",
                                     "h:99999/n/m",
                                     "h:x/n/m"};
  for (const std::string& text : bad) {
    const auto source = parse_source(text);
    ASSERT_FALSE(source) << testing::PrintToString(text);
    EXPECT_EQ(source.error().code, base::Code::kUsage);
    EXPECT_FALSE(source.error().hint.empty()) << text;
    EXPECT_EQ(source.error().text().find_first_of("\n\x1b"), std::string::npos) << text;
  }
  EXPECT_FALSE(parse_source(std::string_view("a\0b/c", 5)));
  EXPECT_FALSE(parse_source(std::string(100'000, 'a')));
}

TEST(ParseSource, SaysWhereARevisionWouldGo) {
  EXPECT_THAT(parse_source("m@v1").error().text(), HasSubstr("hf://org/name@revision"));
  EXPECT_THAT(parse_source("https://hf.co/a/b/blob/main/x").error().text(), HasSubstr("--include"));
  EXPECT_THAT(parse_source("acme/x y").error().text(), HasSubstr("acme/x y"));
}

TEST(CustomName, TakesOneToFourPartsAndATag) {
  for (const std::string good :
       {"foo", "Foo_1", "a/b", "a/b/c", "a/b/c/d", "a:t", "a/b/c/d:v1.2", "a..b", "_/0"}) {
    EXPECT_EQ(parse_custom_name(good).value(), good);
  }
  for (const std::string bad : {"", "/", "a/", "/a", "a//b", "a/b/c/d/e", "..", "a/..", ".a", "-a",
                                "a:", ":t", "a:b:c", "a:b/c", "a b", "a@b", "a\n", "é", "a:.t"}) {
    const auto name = parse_custom_name(bad);
    ASSERT_FALSE(name) << bad;
    EXPECT_EQ(name.error().code, base::Code::kUsage);
  }
}

TEST(LookupNames, TryTheCustomSpellingFirst) {
  EXPECT_THAT(lookup_names("foo").value(), ElementsAre("foo", "foo:latest"));
  EXPECT_THAT(lookup_names("a/b/c").value(), ElementsAre("a/b/c", "a/b/c:latest"));
  EXPECT_THAT(lookup_names("acme/x").value(), ElementsAre("acme/x"));
  EXPECT_THAT(lookup_names("acme/x@v1").value(), ElementsAre("acme/x"));
  EXPECT_THAT(lookup_names("hf://acme/x").value(), ElementsAre("acme/x"));
  EXPECT_THAT(lookup_names("hf://gpt2").value(), ElementsAre("gpt2"));
  EXPECT_THAT(lookup_names("foo:7b").value(), ElementsAre("foo:7b"));
  EXPECT_THAT(lookup_names("a/b/c/d").value(), ElementsAre("a/b/c/d"));
  EXPECT_THAT(lookup_names("library/m:t").value(), ElementsAre("library/m:t", "m:t"));
  EXPECT_FALSE(lookup_names("../x"));
}

TEST(LookupNames, FindEveryNameAPullCanStore) {
  for (const Good& good : good_sources()) {
    EXPECT_THAT(lookup_names(good.name).value(), testing::Contains(good.name));
    EXPECT_THAT(lookup_names(good.shown).value(), testing::Contains(good.name));
  }
}

TEST(NormaliseName, ShowsTheTag) {
  EXPECT_EQ(normalise_name("llama3.2").value(), "llama3.2:latest");
  EXPECT_EQ(normalise_name("acme/x").value(), "acme/x");
  EXPECT_EQ(normalise_name("registry.ollama.ai/library/m").value(), "m:latest");
  EXPECT_EQ(normalise_name("").error().code, base::Code::kUsage);
}

TEST(CheckRevision, TakesBranchesTagsCommitsAndPulls) {
  for (const std::string good :
       {"main", "v1.0", "refs/pr/12", "feature/x", "607a30d783dfa663caf39e06633721c8d4cfcd7e"}) {
    EXPECT_TRUE(check_revision(good)) << good;
  }
  EXPECT_FALSE(check_revision(std::string(256, 'a')));
  EXPECT_EQ(check_revision("a\r\nb").error().code, base::Code::kUsage);
}

}  // namespace
}  // namespace castool::manifest
