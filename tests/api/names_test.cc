#include "api/names.h"

#include <gmock/gmock.h>

namespace castool::api {
namespace {

using manifest::HubSource;
using manifest::OllamaSource;
using manifest::Source;

Source library(std::string ns, std::string model, std::string tag) {
  return OllamaSource{"https", "registry.ollama.ai", std::move(ns), std::move(model),
                      std::move(tag)};
}

TEST(Names, AreOllamasWithoutAScheme) {
  const std::pair<const char*, Source> rows[] = {
      {"m", library("library", "m", "latest")},
      {"acme/m", library("acme", "m", "latest")},
      {"m:local", library("library", "m", "latest")},
      {"m:8b:LOCAL", library("library", "m", "8b")},
      {"m:cloud", library("library", "m", "cloud")},
      {"m:8b:cloud", library("library", "m", "8b-cloud")},
      {"x-cloud", library("library", "x-cloud", "latest")},
      {"host:80/n/m:t", OllamaSource{"https", "host:80", "n", "m", "t"}},
      {"http://host/n/m", OllamaSource{"http", "host", "n", "m", "latest"}},
      {"hf.co/u/r:Q4_K_M", OllamaSource{"https", "hf.co", "u", "r", "Q4_K_M"}},
      {"hf://o/n@refs/pr/1", HubSource{"o/n", "refs/pr/1"}},
  };
  for (const auto& [text, expected] : rows) {
    const auto source = requested_source(text);
    ASSERT_TRUE(source) << text << source.error().message;
    EXPECT_TRUE(*source == expected) << text;
  }
}

TEST(Names, ThatAreNoneHaveOneText) {
  for (const char* text :
       {"", " ", "a b", "..", "a/../b", "a//b", "m:", "m@sha256:0", ".m", "-m", "a/b/c/d", "x://y",
        "hf://", "hf://a/b/c", "m:cloud:", "m\n", "https://huggingface.co/o/n"}) {
    const auto source = requested_source(text);
    ASSERT_FALSE(source) << text;
    EXPECT_EQ(source.error().message, "invalid model name") << text;
  }
  const auto both = requested_source("m:local:cloud");
  ASSERT_FALSE(both);
  EXPECT_EQ(both.error().message, "use either :local or :cloud, not both: \"m:local:cloud\"");
}

TEST(Names, OfRegistriesHaveToBeAllowed) {
  Registries registries;
  registries.allowed = {"own:5000", "hf.co"};
  struct Row {
    const char* name;
    Insecure insecure;
    bool allowed;
  };
  const Row rows[] = {
      {"m", Insecure::kNo, true},
      {"m", Insecure::kYes, false},
      {"http://registry.ollama.ai/library/m", Insecure::kNo, false},
      {"hf://o/n", Insecure::kNo, true},
      {"hf://o/n", Insecure::kYes, false},
      {"huggingface.co/u/r", Insecure::kNo, true},
      {"hf.co/u/r", Insecure::kYes, true},  // named by the operator too
      {"own:5000/n/m", Insecure::kNo, true},
      {"own:5000/n/m", Insecure::kYes, true},
      {"http://own:5000/n/m", Insecure::kNo, true},
      {"own/n/m", Insecure::kNo, false},
      {"own:5001/n/m", Insecure::kNo, false},
      {"registry.ollama.ai.evil/n/m", Insecure::kNo, false},
      {"127.0.0.1/n/m", Insecure::kNo, false},
  };
  for (const Row& row : rows) {
    const auto source = requested_source(row.name);
    ASSERT_TRUE(source) << row.name;
    EXPECT_EQ(check_registry(registries, *source, row.insecure).has_value(), row.allowed)
        << row.name;
  }
}

TEST(Names, OfRefsGoThereAndBack) {
  manifest::RefRecord record;
  record.name = "o/n";
  EXPECT_EQ(api_name(record), "hf://o/n");
  EXPECT_THAT(*ref_names("hf://o/n"), testing::ElementsAre("o/n"));
  record.name = "m:t";
  record.kind = manifest::ModelKind::kOllama;
  EXPECT_EQ(api_name(record), "m:t");
  EXPECT_THAT(*ref_names("m:t"), testing::Contains("m:t"));
  EXPECT_THAT(*ref_names("m"), testing::ElementsAre("m", "m:latest"));
  EXPECT_FALSE(ref_names("../x"));
  EXPECT_FALSE(ref_names("hf://../x"));
  EXPECT_FALSE(ref_names(""));
}

}  // namespace
}  // namespace castool::api
