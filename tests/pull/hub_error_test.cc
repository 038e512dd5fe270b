#include "pull/hub_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::pull {
namespace {

using base::Code;
using testing::HasSubstr;

struct Row {
  const char* what;
  int status;
  const char* code;
  const char* sentence;
  Caller caller;
  Code expected;
  const char* in_text;
};

HubQuestion question(Caller caller) {
  return {"https://hub.example", "acme/model", "main", "", caller};
}

class HubErrors : public testing::TestWithParam<Row> {};

TEST_P(HubErrors, TellsConditionsApart) {
  const Row& row = GetParam();
  const auto error = hub_error({row.status, row.code, row.sentence, ""}, question(row.caller));
  EXPECT_EQ(error.code, row.expected) << row.what << ": " << error.text();
  EXPECT_THAT(error.text(), HasSubstr(row.in_text)) << row.what;
}

// Statuses, codes and sentences as recorded from the Hub.
const Row kRows[] = {
    {"gated, anonymous", 401, "GatedRepo",
     "Access to model acme/model is restricted. You must have access to it and be authenticated to "
     "access it. Please log in.",
     Caller::kAnonymous, Code::kGated,
     "accept the terms at https://hub.example/acme/model and set"},
    {"gated, not in the list", 403, "GatedRepo", "you are not in the authorized list",
     Caller::kWithToken, Code::kGated, "accept the terms at https://hub.example/acme/model)"},
    {"missing or private, anonymous", 401, "", "Invalid username or password.", Caller::kAnonymous,
     Code::kNotFound, "HF_TOKEN"},
    {"missing, with a token", 404, "RepoNotFound", "Repository not found", Caller::kWithToken,
     Code::kNotFound, "acme/model does not exist"},
    {"a bad token", 401, "", "Invalid credentials in Authorization header", Caller::kWithToken,
     Code::kUnauthorized, "check HF_TOKEN"},
    {"a bad token in other words", 401, "", "Invalid username or password.", Caller::kWithToken,
     Code::kUnauthorized, "token"},
    {"revision", 404, "RevisionNotFound", "Invalid rev id: nope-zz", Caller::kAnonymous,
     Code::kNotFound, "no revision 'main'"},
    {"missing without a code", 404, "", "", Caller::kAnonymous, Code::kNotFound, "does not exist"},
    {"disabled", 403, "", "Access to this resource is disabled.", Caller::kAnonymous,
     Code::kUnauthorized, "disabled"},
    {"disabled with 401", 401, "", "Access to this resource is disabled.", Caller::kAnonymous,
     Code::kUnauthorized, "disabled"},
    {"legal", 451, "", "", Caller::kAnonymous, Code::kUnauthorized, "legal"},
    {"forbidden", 403, "", "no", Caller::kWithToken, Code::kUnauthorized, "refuses access"},
    {"proxy", 407, "", "", Caller::kAnonymous, Code::kUnauthorized, "proxy"},
    {"rate limit", 429, "", "", Caller::kAnonymous, Code::kRateLimited, "slow down"},
    {"server", 502, "", "Bad gateway", Caller::kAnonymous, Code::kUnavailable, "502: Bad gateway"},
    {"a redirect that is none", 304, "", "", Caller::kAnonymous, Code::kUnavailable, "304"},
};

INSTANTIATE_TEST_SUITE_P(Table, HubErrors, testing::ValuesIn(kRows));

TEST(HubError, NamesTheFileThatIsMissing) {
  auto asked = question(Caller::kAnonymous);
  asked.path = "a\nb.json";
  const auto error = hub_error({404, "EntryNotFound", "Entry not found", ""}, asked);
  EXPECT_EQ(error.code, Code::kNotFound);
  EXPECT_THAT(error.text(), HasSubstr("no file 'a?b.json'"));
}

TEST(HubError, GivesTheRequestIdOfAFailure) {
  const auto error = hub_error({500, "", "", "Root=1-2"}, question(Caller::kAnonymous));
  EXPECT_THAT(error.message, HasSubstr("[request Root=1-2]"));
}

TEST(HubAnswer, PrefersTheHeaderAndKeepsToOneLine) {
  fetch::HttpResponse response;
  response.head.status = 404;
  response.head.headers.add("x-error-message", "one\r\ntwo");
  response.body = R"({"error":"from the body"})";
  EXPECT_EQ(hub_answer(response).sentence, "one??two");
  response.head.headers = {};
  EXPECT_EQ(hub_answer(response).sentence, "from the body");
}

TEST(Printable, CutsLongText) { EXPECT_EQ(printable(std::string(5000, 'x')).size(), 300u); }

}  // namespace
}  // namespace castool::pull
