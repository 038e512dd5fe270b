#include "tools/pull_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::tools {
namespace {

using testing::HasSubstr;

const manifest::HubSource& hub_of(const pull::PullRequest& request) {
  return std::get<manifest::HubSource>(request.source);
}

TEST(PullRequest, CarriesTheOptions) {
  PullArguments arguments;
  arguments.name = "my/x";
  arguments.revision = "refs/pr/1";
  arguments.include = {"*.json"};
  arguments.exclude = {"*.bin"};
  arguments.force = arguments.dry_run = arguments.insecure = true;
  const auto request = pull_request("acme/x", arguments);
  ASSERT_TRUE(request);
  EXPECT_EQ(hub_of(*request).revision, "refs/pr/1");
  EXPECT_EQ(request->name, "my/x");
  EXPECT_EQ(request->include, arguments.include);
  EXPECT_EQ(request->exclude, arguments.exclude);
  EXPECT_EQ(request->mode, pull::Mode::kDryRun);
  EXPECT_EQ(request->recheck, pull::Recheck::kYes);
  EXPECT_EQ(request->plain_http, pull::PlainHttp::kAllow);
}

TEST(PullRequest, HasDefaults) {
  const auto hub = pull_request("acme/x@v1", {});
  ASSERT_TRUE(hub);
  EXPECT_EQ(hub_of(*hub).revision, "v1");
  EXPECT_EQ(hub->mode, pull::Mode::kFetch);
  EXPECT_EQ(hub->recheck, pull::Recheck::kNo);
  EXPECT_EQ(hub->plain_http, pull::PlainHttp::kRefuse);
  const auto ollama = pull_request("llama3.2:3b", {});
  ASSERT_TRUE(ollama);
  EXPECT_TRUE(std::holds_alternative<manifest::OllamaSource>(ollama->source));
  PullArguments from_ollama;
  from_ollama.from = manifest::SourceKind::kOllama;
  EXPECT_TRUE(
      std::holds_alternative<manifest::OllamaSource>(pull_request("acme/x", from_ollama)->source));
}

TEST(PullRequest, RefusesContradictions) {
  PullArguments arguments;
  arguments.revision = "v2";
  EXPECT_THAT(pull_request("acme/x@v1", arguments).error().message, HasSubstr("contradict"));
  arguments.revision = "v1";
  EXPECT_TRUE(pull_request("acme/x@v1", arguments));
  arguments.revision = "";
  EXPECT_FALSE(pull_request("acme/x", arguments));
  PullArguments bad_name;
  bad_name.name = "../x";
  const auto named = pull_request("acme/x", bad_name);
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().code, base::Code::kUsage);
  EXPECT_THAT(named.error().message, HasSubstr("--name ../x"));
}

TEST(PullRequest, RefusesOptionsOfTheHubForOllamaModels) {
  for (const std::string option : {"--revision", "--include", "--exclude"}) {
    PullArguments arguments;
    if (option == "--revision") arguments.revision = "x";
    if (option == "--include") arguments.include = {"x"};
    if (option == "--exclude") arguments.exclude = {"x"};
    const auto request = pull_request("llama3.2:3b", arguments);
    ASSERT_FALSE(request) << option;
    EXPECT_EQ(request.error().code, base::Code::kUsage);
    EXPECT_THAT(request.error().message, HasSubstr(option));
  }
}

TEST(PullRequest, KeepsSecretsOfAnAddressOut) {
  const std::string source = "https://user:pw@host/ns/model:tag?sig=s3cret";
  EXPECT_EQ(source_label(source), "https://host/ns/model:tag");
  EXPECT_EQ(source_label("acme/x@v1"), "acme/x@v1");
  const auto request = pull_request(source, {});
  ASSERT_FALSE(request);
  EXPECT_THAT(request.error().text(), testing::Not(HasSubstr("s3cret")));
  EXPECT_THAT(request.error().text(), testing::Not(HasSubstr("pw")));
}

}  // namespace
}  // namespace castool::tools
