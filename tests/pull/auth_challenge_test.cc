#include "pull/auth_challenge.h"

#include <gtest/gtest.h>

namespace castool::pull {
namespace {

using Values = std::vector<std::string>;

TEST(BearerChallenge, ReadsWhatRegistriesSend) {
  const BearerChallenge ollama{"https://r.example/v2/token", "ollama", {"-"}};
  const BearerChallenge scopes{"https://auth.example/token",
                               "registry.example",
                               {"repository:a/b:pull", "repository:c/d:pull"}};
  const struct {
    Values values;
    BearerChallenge expected;
  } rows[] = {
      {{R"(Bearer realm="https://r.example/v2/token",service="ollama",scope="-")"}, ollama},
      {{R"(bearer  realm = "https://r.example/v2/token" , service=ollama, scope="-", error="x")"},
       ollama},
      {{R"(Basic realm="x", charset="UTF-8", Bearer realm="https://r.example/v2/token",)"
        R"(service="ollama",scope="-")"},
       ollama},
      {{R"(Basic realm="x")", R"(Bearer realm="https://r.example/v2/token",service="ollama",)"
                              R"(scope="-")"},
       ollama},
      {{R"(Bearer realm="https://r.example/v2/token",service="ollama",scope="-", Basic realm="y")"},
       ollama},
      {{R"(Bearer realm="https://auth.example/token",service="registry.example",)"
        R"(scope="repository:a/b:pull  repository:c/d:pull")"},
       scopes},
      {{R"(Bearer realm="https://r.example/a\"b")"}, {"https://r.example/a\"b", "", {}}},
      {{R"(Negotiate abc==, Bearer realm="https://r.example/t")"}, {"https://r.example/t", "", {}}},
  };
  for (const auto& row : rows) {
    const auto challenge = parse_bearer_challenge(row.values);
    ASSERT_TRUE(challenge) << row.values.front();
    EXPECT_EQ(*challenge, row.expected) << row.values.front();
  }
}

TEST(BearerChallenge, IsNotFoundInAnythingElse) {
  const Values rows[] = {
      {},
      {""},
      {"Bearer"},
      {R"(Bearer service="x")"},
      {R"(Bearer realm="open)"},
      {R"(Basic realm="https://r.example")"},
      {R"(realm="https://r.example")"},
      {"Bearer realm=\"https://r.example\r\nX: y\""},
      {"Bearer realm=\"https://r.example/" + std::string(1, '\0') + "\""},
      {"Bearer realm="},
      {",,,===\"\\"},
  };
  for (const auto& values : rows) EXPECT_FALSE(parse_bearer_challenge(values));
}

TEST(Realm, MayBeTheRegistryOrItsKnownIssuer) {
  const struct {
    const char* realm;
    const char* registry;
    bool good;
  } rows[] = {
      {"https://r.example/v2/token", "https://r.example", true},
      {"https://R.example:443/v2/token", "https://r.example", true},
      {"http://r.example:5000/token", "http://r.example:5000", true},
      {"https://huggingface.co/v2/token", "https://hf.co", true},
      {"https://ollama.com/token", "https://registry.ollama.ai", true},
      {"https://evil.example/token", "https://r.example", false},
      {"http://r.example/token", "https://r.example", false},
      {"https://r.example:5000/token", "https://r.example", false},
      {"https://ollama.com:8443/token", "https://registry.ollama.ai", false},
      {"http://ollama.com/token", "https://registry.ollama.ai", false},
      {"https://huggingface.co/token", "https://registry.ollama.ai", false},
      {"https://hf.co/token", "https://huggingface.co", false},
      {"https://huggingface.co.evil.example/token", "https://hf.co", false},
      {"https://user@r.example/token", "https://r.example", false},
      {"/v2/token", "https://r.example", false},
      {"", "https://r.example", false},
  };
  for (const auto& row : rows) {
    const auto status = check_realm(row.realm, row.registry);
    EXPECT_EQ(status.has_value(), row.good) << row.realm;
    if (!row.good) {
      EXPECT_EQ(status.error().code, base::Code::kUnauthorized);
    }
  }
}

}  // namespace
}  // namespace castool::pull
