#include "manifest/name_rules.h"

#include <string>

#include <gtest/gtest.h>

namespace castool::manifest {
namespace {

TEST(OllamaParts, BeginWithAWordCharacterAndKeepTheirLength) {
  EXPECT_TRUE(is_ollama_part("a"));
  EXPECT_TRUE(is_ollama_part("_x.y-z"));
  EXPECT_TRUE(is_ollama_part(std::string(80, 'a')));
  EXPECT_FALSE(is_ollama_part(std::string(81, 'a')));
  for (const std::string bad : {"", ".a", "-a", "..", "a/b", "a b", "a:b", "a%2e", "é", "a\n"}) {
    EXPECT_FALSE(is_ollama_part(bad)) << bad;
  }
  EXPECT_TRUE(is_ollama_namespace("a-b_c"));
  EXPECT_FALSE(is_ollama_namespace("a.b"));
}

TEST(OllamaHost, MayHaveAPort) {
  for (const std::string good : {"h", "registry.ollama.ai", "localhost:5000", "127.0.0.1:65535"}) {
    EXPECT_TRUE(is_ollama_host(good)) << good;
  }
  EXPECT_TRUE(is_ollama_host(std::string(350, 'a')));
  EXPECT_FALSE(is_ollama_host(std::string(351, 'a')));
  EXPECT_FALSE(is_ollama_host(std::string(346, 'a') + ":5000"));
  for (const std::string bad : {"", ":5000", "h:", "h:0", "h:65536", "h:5000:1", "h:+1", "h:00080x",
                                "h:000080", "u@h", "[::1]", ".h", "h/x"}) {
    EXPECT_FALSE(is_ollama_host(bad)) << bad;
  }
}

TEST(HubRepo, IsWhatTheHubAllows) {
  for (const std::string good : {"gpt2", "org/name", "o_1/Qwen2.5-7B_x", "0/0"}) {
    EXPECT_TRUE(is_hub_repo(good)) << good;
  }
  EXPECT_TRUE(is_hub_segment(std::string(96, 'a')));
  EXPECT_FALSE(is_hub_segment(std::string(97, 'a')));
  for (const std::string bad :
       {"", "/", "a/", "/a", "a//b", "a/b/c", ".a/b", "a/b.", "-a/b", "a/b-", "a--b/c", "a/b..c",
        "a/b.git", "a/..", "a b/c", "a/b%", "a/é"}) {
    EXPECT_FALSE(is_hub_repo(bad)) << bad;
  }
}

TEST(CustomPart, AllowsATrailingDash) {
  EXPECT_TRUE(is_custom_part("a-"));
  EXPECT_TRUE(is_custom_part("a..b"));
  EXPECT_FALSE(is_custom_part(".a"));
  EXPECT_FALSE(is_custom_part(std::string(256, 'a')));
}

}  // namespace
}  // namespace castool::manifest
