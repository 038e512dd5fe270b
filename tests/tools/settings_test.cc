#include "tools/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::tools {
namespace {

using testing::HasSubstr;

TEST(ReadVariables, SplitsAtTheFirstEqualsSign) {
  const char* const environment[] = {"A=1=2", "B=", "nothing", "A=later", nullptr};
  const Variables variables = read_variables(environment);
  EXPECT_EQ(variables, (Variables{{"A", "1=2"}, {"B", ""}}));
  EXPECT_TRUE(read_variables(nullptr).empty());
}

TEST(Settings, FindTheStore) {
  struct Case {
    const char* option;
    Variables variables;
    User user;
    const char* store;
  };
  const std::vector<Case> cases = {
      {"/opt/s", {{"CASTOOL_STORE", "/env/s"}}, User::kRoot, "/opt/s"},
      {nullptr, {{"CASTOOL_STORE", "/env/s"}}, User::kOther, "/env/s"},
      {nullptr, {{"HOME", "/root"}}, User::kRoot, "/var/lib/castool"},
      {nullptr, {{"HOME", "/home/u"}, {"XDG_DATA_HOME", "/d"}}, User::kOther, "/d/castool"},
      {nullptr,
       {{"HOME", "/home/u"}, {"XDG_DATA_HOME", "d"}},
       User::kOther,
       "/home/u/.local/share/castool"},
      {nullptr,
       {{"HOME", "/home/u"}, {"CASTOOL_STORE", ""}},
       User::kOther,
       "/home/u/.local/share/castool"},
  };
  for (const Case& c : cases) {
    GlobalArguments arguments;
    if (c.option != nullptr) arguments.store = c.option;
    const auto settings = read_settings(arguments, c.variables, c.user);
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->store, c.store);
  }
  EXPECT_FALSE(read_settings({}, {}, User::kOther));  // nowhere to put it
  GlobalArguments empty;
  empty.store = "";
  EXPECT_FALSE(read_settings(empty, {{"CASTOOL_STORE", "/s"}}, User::kRoot));
}

TEST(Settings, CheckTheNamespace) {
  EXPECT_EQ(read_settings({}, {}, User::kRoot)->ns, "default");
  EXPECT_EQ(read_settings({}, {{"CASTOOL_NAMESPACE", "team-a"}}, User::kRoot)->ns, "team-a");
  for (const char* bad : {"", ".", "../x", "a/b", "-a", "ä", "a b"}) {
    GlobalArguments arguments;
    arguments.ns = bad;
    const auto settings = read_settings(arguments, {}, User::kRoot);
    ASSERT_FALSE(settings) << bad;
    EXPECT_EQ(settings.error().code, base::Code::kUsage);
  }
}

TEST(Settings, TakeOptionsAndVariables) {
  GlobalArguments arguments;
  arguments.timeout = std::chrono::seconds(7);
  arguments.json = true;
  const Variables variables = {
      {"CASTOOL_TIME_SCALE", "0.01"}, {"SSL_CERT_FILE", "/ca.pem"}, {"SSL_CERT_DIR", "/certs"}};
  const auto settings = read_settings(arguments, variables, User::kRoot);
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->timeout, std::chrono::seconds(7));
  EXPECT_EQ(settings->time_scale, 0.01);
  EXPECT_TRUE(settings->json);
  EXPECT_TRUE(settings->progress);
  EXPECT_EQ(settings->ca_file, "/ca.pem");
  EXPECT_EQ(settings->ca_directory, "/certs");
  EXPECT_EQ(read_settings({}, {}, User::kRoot)->timeout, std::chrono::minutes(5));
}

TEST(Settings, QuietHasNoProgress) {
  GlobalArguments arguments;
  arguments.quiet = true;
  EXPECT_FALSE(read_settings(arguments, {}, User::kRoot)->progress);
  arguments = {};
  arguments.no_progress = true;
  EXPECT_FALSE(read_settings(arguments, {}, User::kRoot)->progress);
}

TEST(Settings, RefuseATimeScaleThatIsNone) {
  for (const char* bad : {"0", "-1", "x", "1x", "inf", "nan"}) {
    EXPECT_FALSE(read_settings({}, {{"CASTOOL_TIME_SCALE", bad}}, User::kRoot)) << bad;
  }
}

TEST(Origins, HaveDefaults) {
  const auto origins = read_origins({});
  ASSERT_TRUE(origins);
  EXPECT_EQ(origins->hub_endpoint, "https://huggingface.co");
  EXPECT_EQ(origins->ollama_registry, "https://registry.ollama.ai");
  EXPECT_FALSE(origins->offline);
  EXPECT_EQ(origins->ollama_key_path, "");
}

TEST(Origins, ComeFromTheEnvironment) {
  const auto origins = read_origins({{"HF_ENDPOINT", "hf-mirror.com//"},
                                     {"CASTOOL_OLLAMA_REGISTRY", "http://127.0.0.1:5000/"},
                                     {"HF_HUB_OFFLINE", "yes"},
                                     {"HOME", "/home/u"}});
  ASSERT_TRUE(origins);
  EXPECT_EQ(origins->hub_endpoint, "https://hf-mirror.com");
  EXPECT_EQ(origins->ollama_registry, "http://127.0.0.1:5000");
  EXPECT_TRUE(origins->offline);
  EXPECT_EQ(origins->ollama_key_path, "/home/u/.ollama/id_ed25519");
}

TEST(ParseEndpoint, TakesAddressesOnly) {
  EXPECT_EQ(*parse_endpoint("X", "host:8080/models/"), "https://host:8080/models");
  EXPECT_EQ(*parse_endpoint("X", "http://host"), "http://host");
  for (const char* bad : {"", "/", "ftp://host", "http://", "http:///x", "https://u:p@host",
                          "https://host?x=1", "https://ho st"}) {
    const auto endpoint = parse_endpoint("HF_ENDPOINT", bad);
    ASSERT_FALSE(endpoint) << bad;
    EXPECT_THAT(endpoint.error().message, HasSubstr("HF_ENDPOINT"));
    EXPECT_THAT(endpoint.error().text(), testing::Not(HasSubstr("u:p"))) << bad;
  }
}

TEST(IsSwitchedOn, KnowsTheHubsWords) {
  for (const char* on : {"1", "ON", "on", "Yes", "TRUE", "true"}) EXPECT_TRUE(is_switched_on(on));
  for (const char* off : {"", "0", "OFF", "no", "2", "y", " 1"}) EXPECT_FALSE(is_switched_on(off));
}

}  // namespace
}  // namespace castool::tools
