#include "fusefs/views/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fusefs/fakes.h"

namespace castool::fusefs {
namespace {

using manifest::RefRecord;
using manifest::RefState;
using ::testing::HasSubstr;
using testing::hub_record;
using ::testing::IsEmpty;
using testing::ollama_record;

RefRecord ollama(const std::string& name, const std::string& source) {
  return ollama_record(name, source, {});
}

TEST(Placement, PathsOfEachKindOfName) {
  struct Case {
    RefRecord record;
    std::string ovms, ollama;
  };
  const std::vector<Case> cases = {
      {hub_record("OpenVINO/Qwen3", {}), "OpenVINO/Qwen3", ""},
      {hub_record("gpt2", {}), "gpt2", ""},
      {ollama("llama3:8b", "ollama://llama3:8b"), "library/llama3:8b",
       "manifests/registry.ollama.ai/library/llama3/8b"},
      {ollama("me/mine:latest", "ollama://me/mine:latest"), "me/mine:latest",
       "manifests/registry.ollama.ai/me/mine/latest"},
      {ollama("hf.co/u/r:Q4_K_M", "ollama://hf.co/u/r:Q4_K_M"), "hf.co/u/r:Q4_K_M",
       "manifests/hf.co/u/r/Q4_K_M"},
      {ollama("localhost:5000/a/b:t", "http://localhost:5000/a/b:t"), "localhost:5000/a/b:t",
       "manifests/localhost:5000/a/b/t"},
      {ollama("team/chat:v2", "ollama://llama3:8b"), "team/chat:v2",
       "manifests/registry.ollama.ai/team/chat/v2"},
      {ollama("chat", "ollama://llama3:8b"), "chat",
       "manifests/registry.ollama.ai/library/chat/latest"},
  };
  for (const Case& row : cases) {
    const std::vector<RefRecord> one{row.record};
    EXPECT_EQ(place_all(one, Layout::kOvms).front().path, row.ovms) << row.record.name;
    const Place place = place_all(one, Layout::kOllama).front();
    EXPECT_EQ(place.path, row.ollama) << row.record.name;
    EXPECT_NE(place.path.empty(), place.left_out.empty());
  }
}

TEST(Placement, WhateverTheStateOfTheRef) {
  std::vector<RefRecord> records{ollama_record("m:t", "ollama://h/n/m:t", {})};
  for (const RefState state : {RefState::kAbsent, RefState::kPartial, RefState::kDamaged}) {
    records[0].state = state;
    for (const Layout layout : {Layout::kOvms, Layout::kOllama}) {
      const Place place = place_of(records, "m:t", layout);
      EXPECT_EQ(place.path,
                layout == Layout::kOvms ? "m:t" : "manifests/registry.ollama.ai/library/m/t");
      EXPECT_THAT(place.left_out, IsEmpty());
    }
  }
}

// The first pulled keeps its path, whatever the order of the records and of the names.
TEST(Placement, ClashesAreResolvedByFirstPull) {
  struct Case {
    std::string first, second;
  };
  const std::vector<Case> cases = {
      {"a/b", "a/b/c"}, {"a/b/c", "a/b"}, {"a/b/c/d", "a"}, {"a", "a/b/c"}};
  for (const auto& [first, second] : cases) {
    for (const bool swapped : {false, true}) {
      std::vector<RefRecord> records{hub_record(first, {}, 10), hub_record(second, {}, 20)};
      if (swapped) std::swap(records[0], records[1]);
      EXPECT_EQ(place_of(records, first, Layout::kOvms).path, first);
      const Place loser = place_of(records, second, Layout::kOvms);
      EXPECT_THAT(loser.path, IsEmpty());
      EXPECT_EQ(loser.left_out, "its path " + second + " is taken by " + first);
    }
  }
}

TEST(Placement, SamePathAndSameSecondGoByName) {
  std::vector<RefRecord> records{ollama("library/llama3:8b", "hf://x/y"),
                                 ollama("llama3:8b", "ollama://llama3:8b")};
  EXPECT_EQ(place_of(records, "library/llama3:8b", Layout::kOvms).path, "library/llama3:8b");
  EXPECT_THAT(place_of(records, "llama3:8b", Layout::kOvms).left_out,
              HasSubstr("taken by library/llama3:8b"));
}

TEST(Placement, NeighboursDoNotClash) {
  const std::vector<RefRecord> records{hub_record("a/b", {}), hub_record("a/bc", {}),
                                       hub_record("a/b-c", {}), hub_record("ab", {})};
  for (const Place& place : place_all(records, Layout::kOvms))
    EXPECT_THAT(place.left_out, IsEmpty());
}

TEST(Placement, TheLayoutsOwnNamesAreTaken) {
  const std::vector<RefRecord> records{hub_record("config.json", {}),
                                       hub_record("config.json/x", {})};
  for (const Place& place : place_all(records, Layout::kOvms))
    EXPECT_THAT(place.left_out, HasSubstr("the layout's own config.json"));
}

TEST(Placement, NamesThatCannotBePathsAreLeftOut) {
  for (const std::string& name : std::vector<std::string>{
           "../up", "a/../b", "/abs", "a//b", "a/.git", "a/\x01", std::string(256, 'x'), ""}) {
    const std::vector<RefRecord> records{hub_record(name, {})};
    EXPECT_THAT(place_all(records, Layout::kOvms).front().path, IsEmpty()) << name;
  }
  // 251 bytes leave room for ".gguf" no more.
  const std::string name(251, 'x');
  const std::vector<RefRecord> records{ollama(name, "ollama://llama3:8b")};
  EXPECT_THAT(place_all(records, Layout::kOvms).front().left_out, HasSubstr("too long"));
}

TEST(Placement, UnknownRef) {
  EXPECT_THAT(place_of({}, "x", Layout::kOvms).left_out, HasSubstr("no such ref"));
}

}  // namespace
}  // namespace castool::fusefs
