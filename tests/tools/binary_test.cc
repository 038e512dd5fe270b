// The program itself, where no store and no network is needed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/tools/child_process.h"

namespace castool::test {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kEnvironment = {"HOME=/nonexistent", "PATH=/usr/bin:/bin"};

Ended run(const std::vector<std::string>& arguments) {
  return run_castool(arguments, kEnvironment);
}

TEST(Binary, SaysWhatItIs) {
  const Ended version = run({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.out, "castool 0.1.0\n");
  EXPECT_EQ(version.error, "");
  const Ended help = run({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("Exit status:"));
  EXPECT_EQ(help.error, "");
}

TEST(Binary, UsageErrorsAreOneLineAnd64) {
  struct Case {
    std::vector<std::string> arguments;
    const char* error;
  };
  for (const Case& c : {
           Case{{"ls", "--frob"}, "castool: ls: unknown option --frob (see castool ls --help)\n"},
           Case{{"frob"}, "castool: unknown command frob (the commands are "},
           Case{{}, "castool: a command is missing (the commands are "},
           Case{{"pull"}, "castool: pull: SOURCE is required (see castool pull --help)\n"},
           Case{{"pull", "a/b", "--limit-rate", "x"},
                "castool: pull: --limit-rate: \"x\" is not a rate ("},
           Case{{"--namespace", "../x", "ls"}, "castool: ls: \"../x\" cannot be a namespace ("},
           Case{{"pull", "--token-file", "/nonexistent/t", "a/b"},
                "castool: pull: --token-file /nonexistent/t: No such file or directory"},
           Case{{"mount", "/nonexistent/m"},
                "castool: mount /nonexistent/m: no such directory (mkdir /nonexistent/m)\n"},
           Case{{"rm", "../../etc"}, "castool: rm ../../etc: "},
           Case{{"show", "a//b"}, "castool: show a//b: "},
       }) {
    const Ended ended = run(c.arguments);
    EXPECT_EQ(ended.status, 64) << ended.error;
    EXPECT_EQ(ended.error.find(c.error), 0u) << ended.error;
    EXPECT_EQ(ended.error.find('\n'), ended.error.size() - 1) << ended.error;
    EXPECT_EQ(ended.out, "");
  }
}

TEST(Binary, ErrorsAreObjectsToo) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--json", "ls", "--frob"}, {"ls", "--json", "--namespace", ""}}) {
    const Ended ended = run(arguments);
    EXPECT_EQ(ended.status, 64);
    const auto json = nlohmann::json::parse(ended.out);
    EXPECT_EQ(json["error"]["code"], "usage");
    EXPECT_EQ("castool: " + json["error"]["message"].get<std::string>() + "\n", ended.error);
    EXPECT_TRUE(json["error"].contains("digest") && json["error"].contains("url"));
  }
}

TEST(Binary, AStoreThatIsNotThereIsEmpty) {
  const std::vector<std::string> nowhere = {"--store", "/nonexistent/store", "--json"};
  const auto with = [&](std::vector<std::string> words) {
    words.insert(words.end(), nowhere.begin(), nowhere.end());
    return run(words);
  };
  for (const char* command : {"ls", "status"}) {
    const Ended ended = with({command});
    EXPECT_EQ(ended.status, 0) << ended.error;
    EXPECT_EQ(ended.out, "");
  }
  const auto usage = nlohmann::json::parse(with({"df"}).out);
  EXPECT_EQ(usage["stored_bytes"], 0);
  EXPECT_GT(usage["free_bytes"], 0);
  EXPECT_EQ(with({"show", "a/b"}).status, 66);
  EXPECT_EQ(with({"rm", "a/b"}).status, 66);
}

TEST(Binary, AFullDiskBehindStandardOutputIs74) {
  const Ended ended = run_castool({"--help"}, kEnvironment, "/dev/full");
  EXPECT_EQ(ended.status, 74);
  EXPECT_EQ(ended.error, "castool: write to standard output: No space left on device\n");
}

}  // namespace
}  // namespace castool::test
