#include "fusefs/views/on_demand_patterns.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::fusefs {
namespace {

using ::testing::HasSubstr;

OnDemandPatterns patterns(std::vector<std::string> texts) {
  auto parsed = OnDemandPatterns::parse(texts);
  EXPECT_TRUE(parsed) << parsed.error().text();
  return parsed ? *parsed : OnDemandPatterns();
}

// "-", "parent", or the source as text.
std::string found(const OnDemandPatterns& patterns, std::string_view path, Layout layout) {
  const OnDemandMatch match = patterns.match(path, layout);
  if (std::holds_alternative<OnDemandParent>(match)) return "parent";
  const auto* source = std::get_if<manifest::Source>(&match);
  return source == nullptr ? "-" : manifest::source_text(*source);
}

struct Row {
  const char* pattern;
  const char* path;
  const char* is;
};

TEST(OnDemandPatterns, InTheOvmsLayout) {
  const Row rows[] = {
      {"OpenVINO/*", "OpenVINO", "parent"},
      {"OpenVINO/*", "OpenVINO/Qwen3-8B-int4-ov", "hf://OpenVINO/Qwen3-8B-int4-ov@main"},
      {"OpenVINO/*", "openvino/Qwen3-8B-int4-ov", "-"},
      {"OpenVINO/*", "OpenVINO/a/b", "-"},
      {"OpenVINO/Qwen*", "OpenVINO/Phi-4", "-"},
      {"*/*", "acme/m", "hf://acme/m@main"},
      {"*/*", "acme", "parent"},
      {"*/*", "library/m:latest", "-"},
      {"library/*:*", "library", "parent"},
      {"library/*:*", "library/qwen3:0.6b", "ollama://qwen3:0.6b"},
      {"library/*:*", "library/qwen3", "-"},
      {"library/qwen?:*", "library/qwen3:0.6b", "ollama://qwen3:0.6b"},
      {"library/qwen?:*", "library/qwen10:0.6b", "-"},
      {"qwen3:*", "library/qwen3:0.6b", "ollama://qwen3:0.6b"},
      {"registry.ollama.ai/library/*:*", "library/m:x", "ollama://m:x"},
      {"hf.co/*/*:*", "hf.co", "parent"},
      {"hf.co/*/*:*", "hf.co/u", "parent"},
      {"hf.co/*/*:*", "hf.co/u/r:Q4_K_M", "ollama://hf.co/u/r:Q4_K_M"},
      {"hf.co/*/*:*", "u/r:Q4_K_M", "-"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(found(patterns({row.pattern}), row.path, Layout::kOvms), row.is)
        << row.pattern << " " << row.path;
  }
}

TEST(OnDemandPatterns, InTheOllamaLayout) {
  const Row rows[] = {
      {"library/*:*", "manifests", "-"},
      {"library/*:*", "manifests/registry.ollama.ai", "parent"},
      {"library/*:*", "manifests/registry.ollama.ai/library", "parent"},
      {"library/*:*", "manifests/registry.ollama.ai/library/qwen3", "parent"},
      {"library/*:*", "manifests/registry.ollama.ai/library/qwen3/0.6b", "ollama://qwen3:0.6b"},
      {"library/qwen3:8*", "manifests/registry.ollama.ai/library/qwen3/0.6b", "-"},
      {"library/*:*", "blobs/sha256-00", "-"},
      {"OpenVINO/*", "manifests/OpenVINO", "-"},
      {"hf.co/*/*:*", "manifests/hf.co/u/r/Q8_0", "ollama://hf.co/u/r:Q8_0"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(found(patterns({row.pattern}), row.path, Layout::kOllama), row.is)
        << row.pattern << " " << row.path;
  }
}

TEST(OnDemandPatterns, NeverWhatServersTryByThemselves) {
  const OnDemandPatterns all = patterns({"*/*", "*/*:*", "*/*/*:*"});
  for (const char* name : {"acme/.git", "acme/1", "acme/123", ".hidden", "config.json",
                           "acme/config.json", "acme/graph.pbtxt", "acme/model.xml",
                           "acme/model.bin", "acme/m.gguf", "acme/m:q.gguf", "", "acme/"}) {
    EXPECT_EQ(found(all, name, Layout::kOvms), "-") << name;
  }
  EXPECT_EQ(found(all, "acme/m1", Layout::kOvms), "hf://acme/m1@main");
}

TEST(OnDemandPatterns, WhatCannotBeASourceIsNothing) {
  const OnDemandPatterns all = patterns({"*/*", "*/*:*"});
  EXPECT_EQ(found(all, "acme/a..b", Layout::kOvms), "-");
  EXPECT_EQ(found(all, "acme/a b", Layout::kOvms), "-");
  EXPECT_EQ(found(all, "library/m:", Layout::kOvms), "-");
}

TEST(OnDemandPatterns, RefusesWhatIsNone) {
  for (const char* text : {"", "*", "OpenVINO", "a//b", "/a", "a/", "a/b/c", "h/n/m/x:t"}) {
    const std::vector<std::string> texts{text};
    const auto parsed = OnDemandPatterns::parse(texts);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, base::Code::kUsage);
    EXPECT_THAT(parsed.error().text(), HasSubstr("--on-demand"));
  }
}

}  // namespace
}  // namespace castool::fusefs
