#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tools/model_options.h"
#include "tools/ovms_directory.h"
#include "tools/pull_delivery.h"

namespace castool::tools {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(OvmsConfig, GetsEntriesAndLosesThem) {
  const auto first = config_with("", "a", "/models/a");
  ASSERT_TRUE(first) << first.error().text();
  EXPECT_EQ(
      json::parse(*first),
      json::parse(R"({"model_config_list":[{"config":{"name":"a","base_path":"/models/a"}}]})"));
  EXPECT_TRUE(first->ends_with("}\n"));
  const auto second = config_with(*first, "b", "/models/b");
  ASSERT_TRUE(second);
  EXPECT_EQ(json::parse(*second)["model_config_list"][1]["config"]["name"], "b");
  EXPECT_EQ(config_without(*second, "b").value(), *first);
}

TEST(OvmsConfig, KeepsWhatElseIsThere) {
  const std::string text =
      R"({"monitoring":{"x":1},"model_config_list":[],"mediapipe_config_list":[{"name":"g"}]})";
  const json added = json::parse(config_with(text, "a", "/a").value());
  EXPECT_EQ(added["monitoring"]["x"], 1);
  EXPECT_EQ(added["mediapipe_config_list"].size(), 1u);
  EXPECT_TRUE(json::parse(config_without(text, "g").value())["mediapipe_config_list"].empty());
}

TEST(OvmsConfig, RefusesTwoOfOneNameAndWhatIsNone) {
  const std::string text = config_with("", "a", "/a").value();
  for (const auto& refused :
       {config_with(text, "a", "/b"), config_without(text, "b"), config_with("{", "a", "/a"),
        config_with("[]", "a", "/a"), config_with(R"({"model_config_list":1})", "a", "/a")}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::Code::kUnsupported);
  }
}

TEST(CastoolMountedAt, FindsTheMountThatIsSeenThere) {
  const std::string info =
      "1 0 8:1 / / rw - ext4 /dev/sda rw\n"
      "2 1 0:40 / /mnt/a\\040b rw,nosuid shared:3 - fuse.castool /var/lib/my\\040store rw\n"
      "3 2 0:41 / /mnt/a\\040b/over rw - tmpfs tmpfs rw\n";
  EXPECT_EQ(castool_mounted_at(info, "/mnt/a b"), "/var/lib/my store");
  EXPECT_EQ(castool_mounted_at(info, "/mnt/a b/ovms"), "/var/lib/my store");
  EXPECT_EQ(castool_mounted_at(info, "/mnt/a b/over"), std::nullopt);
  EXPECT_EQ(castool_mounted_at(info, "/mnt/a bc"), std::nullopt);
  EXPECT_EQ(castool_mounted_at("", "/mnt"), std::nullopt);
}

manifest::RefRecord record() {
  manifest::RefRecord record;
  record.name = "acme/x";
  record.task = "text_generation";
  record.options = {{"max_num_seqs", "8"}};
  return record;
}

TEST(ChangeOptions, SetsAndTakesBack) {
  auto changed = record();
  OvmsArguments arguments;
  arguments.values = {{"max_num_seqs", ""}, {"target_device", "GPU"}, {"model_name", "chat"}};
  ASSERT_TRUE(change_options(arguments, changed));
  EXPECT_EQ(changed.options, (std::map<std::string, std::string>{{"target_device", "GPU"}}));
  EXPECT_EQ(changed.served_name, "chat");
}

TEST(ChangeOptions, ChangesNothingWhenOneIsWrong) {
  for (const auto& [name, value] :
       std::map<std::string, std::string>{{"target_device", "TPU"},
                                          {"pooling", "CLS"},
                                          {"task", "nonsense"},
                                          {"draft_source_model", "acme/draft"},
                                          {"gguf_filename", "../x"}}) {
    auto changed = record();
    OvmsArguments arguments;
    arguments.values = {{name, value}, {"model_name", "chat"}};
    const auto status = change_options(arguments, changed);
    ASSERT_FALSE(status) << name;
    EXPECT_EQ(status.error().code, base::Code::kUsage) << status.error().text();
    EXPECT_EQ(manifest::print_ref_record(changed), manifest::print_ref_record(record()));
  }
}

TEST(ChangeOptions, KeepsTheAttachmentsThatAreStillNamed) {
  auto changed = record();
  changed.options["draft_source_model"] = "acme/draft";
  changed.attachments = {{"acme-draft", "", "", "", {}, 1}};
  OvmsArguments arguments;
  arguments.values = {{"max_num_seqs", "4"}};
  ASSERT_TRUE(change_options(arguments, changed));
  EXPECT_EQ(changed.attachments.size(), 1u);
  arguments.values = {{"draft_source_model", ""}};
  ASSERT_TRUE(change_options(arguments, changed));
  EXPECT_TRUE(changed.attachments.empty());
}

}  // namespace
}  // namespace castool::tools
