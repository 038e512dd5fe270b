#include "pull/ollama_auth.h"

#include <gtest/gtest.h>

namespace castool::pull {
namespace {

const BearerChallenge kChallenge{"https://r.example/v2/token", "ollama reg", {"a:b:pull", "-"}};

TEST(TokenUrl, IsSortedAndEncoded) {
  EXPECT_EQ(token_url(kChallenge, TokenRequestStamp{"n_-", 17}),
            "https://r.example/v2/token?nonce=n_-&scope=a%3Ab%3Apull&scope=-&service=ollama%20reg"
            "&ts=17");
  EXPECT_EQ(token_url(kChallenge, std::nullopt),
            "https://r.example/v2/token?scope=a%3Ab%3Apull&scope=-&service=ollama%20reg");
}

TEST(TokenUrl, KeepsTheRealmsOwnQuery) {
  EXPECT_EQ(token_url({"https://r.example/t?x=1#f", "s", {}}, std::nullopt),
            "https://r.example/t?x=1&service=s");
  EXPECT_EQ(token_url({"https://r.example/t", "", {}}, std::nullopt), "https://r.example/t");
}

TEST(TokenAnswer, HasTheTokenUnderOneOfTwoNames) {
  EXPECT_EQ(parse_token_answer(R"({"token":"abc.def"})").value(), "abc.def");
  EXPECT_EQ(parse_token_answer(R"({"access_token":"x","expires_in":300})").value(), "x");
  EXPECT_EQ(parse_token_answer(R"({"token":"t","access_token":"x"})").value(), "t");
}

TEST(TokenAnswer, OfAnotherKindIsRefused) {
  for (const char* bad : {"", "<html>", "[]", "{}", R"({"token":7})", R"({"token":""})",
                          R"({"token":"a\r\nX-Evil: b"})", R"({"token":"a b"})"}) {
    const auto token = parse_token_answer(bad);
    ASSERT_FALSE(token) << bad;
    EXPECT_EQ(token.error().code, base::Code::kUnavailable);
  }
}

}  // namespace
}  // namespace castool::pull
