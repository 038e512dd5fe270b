#include "pull/registry_client.h"

#include <gtest/gtest.h>

namespace castool::pull {
namespace {

using base::Code;

std::string base_of(const std::string& scheme, const std::string& host, const Origins& origins,
                    PlainHttp plain = PlainHttp::kRefuse) {
  return registry_base({scheme, host, "library", "m", "latest"}, origins, plain).value_or("error");
}

TEST(RegistryBase, IsWhereTheSourceOrTheUserSays) {
  Origins plain;
  EXPECT_EQ(base_of("https", "registry.ollama.ai", plain), "https://registry.ollama.ai");
  EXPECT_EQ(base_of("https", "hf.co", plain), "https://hf.co");
  EXPECT_EQ(base_of("https", "r.example:5000", plain), "https://r.example:5000");
  EXPECT_EQ(base_of("http", "r.example:5000", plain), "http://r.example:5000");
  EXPECT_EQ(base_of("https", "r.example", plain, PlainHttp::kAllow), "http://r.example");

  Origins configured;
  configured.ollama_registry = "http://127.0.0.1:8080/";
  configured.hub_endpoint = "http://127.0.0.1:8081";
  EXPECT_EQ(base_of("https", "registry.ollama.ai", configured), "http://127.0.0.1:8080");
  EXPECT_EQ(base_of("https", "hf.co", configured), "http://127.0.0.1:8081");
  EXPECT_EQ(base_of("https", "huggingface.co", configured), "http://127.0.0.1:8081");
  EXPECT_EQ(base_of("https", "r.example", configured), "https://r.example");
  configured.ollama_registry = "127.0.0.1";
  EXPECT_EQ(base_of("https", "registry.ollama.ai", configured), "error");
}

TEST(ManifestError, TellsConditionsApart) {
  const struct {
    int status;
    Code expected;
  } rows[] = {
      {400, Code::kNotFound},    {401, Code::kUnauthorized}, {403, Code::kUnauthorized},
      {404, Code::kNotFound},    {407, Code::kUnauthorized}, {412, Code::kUnsupported},
      {429, Code::kRateLimited}, {451, Code::kUnauthorized}, {500, Code::kUnavailable},
      {302, Code::kUnavailable}, {410, Code::kNotFound},
  };
  for (const auto& row : rows) EXPECT_EQ(manifest_error(row.status, "x").code, row.expected);
  EXPECT_EQ(manifest_error(404, "not here").message, "pull model manifest: file does not exist");
  EXPECT_EQ(manifest_error(400, "bad tag").message, "pull model manifest: 400: bad tag");
}

}  // namespace
}  // namespace castool::pull
