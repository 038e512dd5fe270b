#include "pull/hub_urls.h"

#include <gtest/gtest.h>

namespace castool::pull {
namespace {

constexpr const char* kHub = "https://hub.example";

TEST(HubUrls, EncodeTheRevisionWhole) {
  EXPECT_EQ(repo_info_url(kHub, "acme/model", "refs/pr/1"),
            "https://hub.example/api/models/acme/model/revision/refs%2Fpr%2F1");
  EXPECT_EQ(repo_info_url(kHub, "gpt2", "v1.0 ü"),
            "https://hub.example/api/models/gpt2/revision/v1.0%20%C3%BC");
}

TEST(HubUrls, AskForTheWholeTree) {
  EXPECT_EQ(tree_url(kHub, "acme/model", "abc"),
            "https://hub.example/api/models/acme/model/tree/abc?recursive=true&expand=false");
}

TEST(HubUrls, KeepTheSlashesOfAPathAndNothingElse) {
  const struct {
    const char* path;
    const char* encoded;
  } rows[] = {
      {"config.json", "config.json"},
      {"a/b c.bin", "a/b%20c.bin"},
      {"100%#1?.txt", "100%25%231%3F.txt"},
      {"d/%2e%2e/x", "d/%252e%252e/x"},
      {"naïve/模型.gguf", "na%C3%AFve/%E6%A8%A1%E5%9E%8B.gguf"},
      {"a+b&c=d;e@f:g", "a%2Bb%26c%3Dd%3Be%40f%3Ag"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(resolve_url(kHub, "acme/model", "abc", row.path),
              std::string("https://hub.example/acme/model/resolve/abc/") + row.encoded);
  }
}

TEST(CleanEndpoint, TakesHttpAddressesOnly) {
  EXPECT_EQ(clean_endpoint("https://hub.example/", "HF_ENDPOINT").value(), "https://hub.example");
  EXPECT_EQ(clean_endpoint("http://127.0.0.1:8080//", "HF_ENDPOINT").value(),
            "http://127.0.0.1:8080");
  for (const char* bad : {"", "/", "hub.example", "ftp://hub.example", "file:///etc/passwd",
                          "https://user:secret@hub.example"}) {
    const auto endpoint = clean_endpoint(bad, "HF_ENDPOINT");
    ASSERT_FALSE(endpoint) << bad;
    EXPECT_EQ(endpoint.error().code, base::Code::kUsage);
    EXPECT_EQ(endpoint.error().text().find("secret"), std::string::npos);
  }
}

TEST(NextPage, StaysAtTheEndpoint) {
  EXPECT_EQ(next_page_url(kHub, "https://hub.example/api/models/a/b/tree/c?cursor=x%3D").value(),
            "https://hub.example/api/models/a/b/tree/c?cursor=x%3D");
  EXPECT_EQ(next_page_url(kHub, "/api/models/a/b/tree/c?cursor=x").value(),
            "https://hub.example/api/models/a/b/tree/c?cursor=x");
}

TEST(NextPage, IsReRootedWhenAMirrorLeftThePublicHubInIt) {
  EXPECT_EQ(next_page_url(kHub, "https://huggingface.co/api/models/a/b/tree/c?cursor=x").value(),
            "https://hub.example/api/models/a/b/tree/c?cursor=x");
}

TEST(NextPage, OfAnotherHostIsRefused) {
  for (const char* other : {"https://evil.example/api/x", "http://hub.example/api/x",
                            "https://hub.example:444/api/x", "//evil.example/x"}) {
    const auto url = next_page_url(kHub, other);
    ASSERT_FALSE(url) << other;
    EXPECT_EQ(url.error().code, base::Code::kUnavailable);
  }
}

}  // namespace
}  // namespace castool::pull
