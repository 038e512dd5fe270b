#include "tools/pull_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::tools {
namespace {

using testing::HasSubstr;

PullArguments pulling(std::vector<std::string> sources) {
  PullArguments arguments;
  arguments.sources = std::move(sources);
  return arguments;
}

const manifest::HubSource& hub_of(const NamedRequest& named) {
  return std::get<manifest::HubSource>(named.request.source);
}

TEST(PullRequests, CarryTheOptions) {
  PullArguments arguments = pulling({"acme/x"});
  arguments.name = "my/x";
  arguments.revision = "refs/pr/1";
  arguments.include = {"*.json"};
  arguments.exclude = {"*.bin"};
  arguments.force = arguments.dry_run = arguments.insecure = true;
  const auto requests = pull_requests(arguments);
  ASSERT_TRUE(requests);
  ASSERT_EQ(requests->size(), 1u);
  const NamedRequest& named = requests->front();
  EXPECT_EQ(named.label, "acme/x");
  EXPECT_EQ(hub_of(named).revision, "refs/pr/1");
  EXPECT_EQ(named.request.name, "my/x");
  EXPECT_EQ(named.request.include, arguments.include);
  EXPECT_EQ(named.request.exclude, arguments.exclude);
  EXPECT_EQ(named.request.mode, pull::Mode::kDryRun);
  EXPECT_EQ(named.request.recheck, pull::Recheck::kYes);
  EXPECT_EQ(named.request.plain_http, pull::PlainHttp::kAllow);
}

TEST(PullRequests, AreOneASource) {
  const auto requests = pull_requests(pulling({"acme/x@v1", "llama3.2:3b"}));
  ASSERT_TRUE(requests);
  ASSERT_EQ(requests->size(), 2u);
  EXPECT_EQ(hub_of(requests->front()).revision, "v1");
  EXPECT_TRUE(std::holds_alternative<manifest::OllamaSource>(requests->back().request.source));
  EXPECT_EQ(requests->front().request.mode, pull::Mode::kFetch);
  EXPECT_EQ(requests->front().request.recheck, pull::Recheck::kNo);
  EXPECT_EQ(requests->front().request.plain_http, pull::PlainHttp::kRefuse);
}

TEST(PullRequests, NameTheSourceThatIsWrong) {
  const auto requests = pull_requests(pulling({"acme/x", "no good:"}));
  ASSERT_FALSE(requests);
  EXPECT_EQ(requests.error().code, base::Code::kUsage);
  EXPECT_THAT(requests.error().message, testing::StartsWith("no good:: "));
}

TEST(PullRequests, RefuseContradictions) {
  PullArguments arguments = pulling({"acme/x@v1"});
  arguments.revision = "v2";
  EXPECT_THAT(pull_requests(arguments).error().message, HasSubstr("contradict"));
  arguments.revision = "v1";
  EXPECT_TRUE(pull_requests(arguments));
  arguments.revision = "";
  EXPECT_FALSE(pull_requests(arguments));
  PullArguments bad_name = pulling({"acme/x"});
  bad_name.name = "../x";
  EXPECT_THAT(pull_requests(bad_name).error().message, HasSubstr("--name ../x"));
}

TEST(PullRequests, RefuseOptionsOfTheHubForOllamaModels) {
  for (const char* option : {"--revision", "--include", "--exclude"}) {
    PullArguments arguments = pulling({"llama3.2:3b"});
    if (std::string_view(option) == "--revision") arguments.revision = "x";
    if (std::string_view(option) == "--include") arguments.include = {"x"};
    if (std::string_view(option) == "--exclude") arguments.exclude = {"x"};
    const auto requests = pull_requests(arguments);
    ASSERT_FALSE(requests) << option;
    EXPECT_EQ(requests.error().code, base::Code::kUsage);
    EXPECT_THAT(requests.error().message, HasSubstr(option));
  }
}

TEST(PullRequests, KeepSecretsOfAnAddressOut) {
  const auto requests = pull_requests(pulling({"https://user:pw@host/ns/model:tag?sig=s3cret"}));
  const std::string said = requests ? requests->front().label : requests.error().text();
  EXPECT_THAT(said, testing::Not(HasSubstr("s3cret")));
  EXPECT_THAT(said, testing::Not(HasSubstr("pw")));
}

}  // namespace
}  // namespace castool::tools
