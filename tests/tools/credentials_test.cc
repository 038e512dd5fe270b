#include "tools/credentials.h"

#include <sys/prctl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/child_process.h"

namespace castool::tools {
namespace {

using testing::HasSubstr;
using testing::Not;

class RecordingLog final : public base::Log {
 public:
  void write(base::LogLevel, std::string_view message) override { text += message; }
  [[nodiscard]] bool enabled(base::LogLevel) const override { return true; }
  std::string text;
};

class HubToken : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "castool-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name, const std::string& content, mode_t mode = 0600) {
    const std::string path = folder_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << content;
    ::chmod(path.c_str(), mode);
    return path;
  }

  std::string folder_;
  RecordingLog log_;
};

TEST_F(HubToken, ComesFromTheFirstPlaceThatHasOne) {
  GlobalArguments arguments;
  Variables variables = {{"HOME", folder_}};
  EXPECT_EQ(*load_hub_token(arguments, variables, log_), "");
  file(".cache/huggingface/token", "hf_home\n");
  EXPECT_EQ(*load_hub_token(arguments, variables, log_), "hf_home");
  variables["XDG_CACHE_HOME"] = folder_ + "/xdg";
  file("xdg/huggingface/token", "hf_xdg");
  EXPECT_EQ(*load_hub_token(arguments, variables, log_), "hf_xdg");
  variables["HF_HOME"] = folder_ + "/hf";
  file("hf/token", "hf_hfhome");
  EXPECT_EQ(*load_hub_token(arguments, variables, log_), "hf_hfhome");
  variables["HF_TOKEN_PATH"] = file("path", " hf_path \r\n");
  EXPECT_EQ(*load_hub_token(arguments, variables, log_), "hf_path");
  variables["HUGGING_FACE_HUB_TOKEN"] = "hf_old";
  EXPECT_EQ(*load_hub_token(arguments, variables, log_), "hf_old");
  variables["HF_TOKEN"] = " hf_env\n";
  EXPECT_EQ(*load_hub_token(arguments, variables, log_), "hf_env");
  variables["HF_TOKEN"] = "  ";  // set to nothing: not set
  EXPECT_EQ(*load_hub_token(arguments, variables, log_), "hf_old");
  arguments.token_file = file("option", "hf_option");
  EXPECT_EQ(*load_hub_token(arguments, variables, log_), "hf_option");
  EXPECT_EQ(log_.text, "");
}

TEST_F(HubToken, InAFileThatWasAskedForHasToBeThere) {
  GlobalArguments arguments;
  for (const std::string& path : {folder_ + "/missing", folder_, file("empty", " \n")}) {
    arguments.token_file = path;
    const auto token = load_hub_token(arguments, {{"HF_TOKEN", "hf_env"}}, log_);
    ASSERT_FALSE(token) << path;
    EXPECT_EQ(token.error().code, base::Code::kUsage);
    EXPECT_THAT(token.error().message, HasSubstr(path));
  }
}

TEST_F(HubToken, ThatCannotBeAHeaderIsRefusedWithoutRepeatingIt) {
  GlobalArguments arguments;
  arguments.token_file = file("two", "hf_secret\nX-Other: 1");
  const auto token = load_hub_token(arguments, {}, log_);
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().code, base::Code::kUsage);
  EXPECT_THAT(token.error().text(), Not(HasSubstr("hf_secret")));
  EXPECT_FALSE(load_hub_token({}, {{"HF_TOKEN", "hf_\x01"}}, log_));
}

TEST_F(HubToken, ReadableByOthersIsUsedWithAWarning) {
  GlobalArguments arguments;
  arguments.token_file = file("open", "hf_open", 0644);
  EXPECT_EQ(*load_hub_token(arguments, {}, log_), "hf_open");
  EXPECT_THAT(log_.text, HasSubstr("other users can read"));
  EXPECT_THAT(log_.text, Not(HasSubstr("hf_open")));
}

TEST_F(HubToken, MakesTheProcessUndumpable) {
  const auto dumpable_with = [&](const char* token) {
    return test::run_forked([&] {
      ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
      RecordingLog log;
      static_cast<void>(load_hub_token({}, {{"HF_TOKEN", token}}, log));
      return ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    });
  };
  EXPECT_EQ(dumpable_with("hf_x").status, 0);
  EXPECT_EQ(dumpable_with("").status, 1);
}

}  // namespace
}  // namespace castool::tools
